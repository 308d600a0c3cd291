/** Notes on facts that could not be read as expected. */

/** The subjects of notes that are not about one file. */
export const NOTE_SUBJECTS = [
  "memory map",
  "CPU notes",
  "vmcoreinfo",
  "kernel text",
  "Xen",
  "machine",
] as const;
export type NoteSubject = (typeof NOTE_SUBJECTS)[number];

export interface FactNote {
  /** A file's path where the note is about this file only, else its subject. */
  readonly source: `/${string}` | NoteSubject;
  /** For a file only the reason, e.g. `Permission denied.`; else one whole sentence. */
  readonly text: string;
}

/** `/proc/iomem: Permission denied.` */
const OF_FILE = /^(\/[^ \t\n:]+): (.*)$/s;

/**
 * Makes a note from a sentence: about the file, where the sentence begins with a path and a colon,
 * else about `subject`.
 */
export function noteOf(sentence: string, subject: NoteSubject): FactNote {
  const [, path, reason] = OF_FILE.exec(sentence) ?? [];
  if (path === undefined || reason === undefined) return { source: subject, text: sentence };
  return { source: `/${path.slice(1)}`, text: reason };
}

/** The note as a sentence, with the file's path in front of the reason. */
export function noteSentence({ source, text }: FactNote): string {
  return source.startsWith("/") ? `${source}: ${text}` : text;
}

/** The text for a missing file; with every other text the file exists and cannot be read. */
const ABSENT = "No such file or directory.";

/** Whether the note says that there is no such file. */
export const isAbsent = ({ text }: FactNote): boolean => text === ABSENT;

/** Whether the note is about one of `sources`, or about a file in a directory among these. */
export function isOf({ source }: FactNote, ...sources: readonly FactNote["source"][]): boolean {
  return sources.some((one) => source === one || source.startsWith(`${one}/`));
}
