/** What is said of a fact that could not be read as expected. */

/** What sentences are about that do not begin with a file's path. */
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
  /** A file's path where the note is of this file alone, else what it is about. */
  readonly source: `/${string}` | NoteSubject;
  /** What happened: of a file the reason, `Permission denied.`; else one whole sentence. */
  readonly text: string;
}

/** `/proc/iomem: Permission denied.` */
const OF_FILE = /^(\/[^ \t\n:]+): (.*)$/s;

/**
 * The note that `sentence` is: of the file whose path and a colon it begins with, else of
 * `subject`.
 */
export function noteOf(sentence: string, subject: NoteSubject): FactNote {
  const [, path, reason] = OF_FILE.exec(sentence) ?? [];
  if (path === undefined || reason === undefined) return { source: subject, text: sentence };
  return { source: `/${path.slice(1)}`, text: reason };
}

/** The sentence that people read. */
export function noteSentence({ source, text }: FactNote): string {
  return source.startsWith("/") ? `${source}: ${text}` : text;
}

/** Whether the note is of one of these, or of a file in such a directory. */
export function isOf({ source }: FactNote, ...sources: readonly FactNote["source"][]): boolean {
  return sources.some((one) => source === one || source.startsWith(`${one}/`));
}
