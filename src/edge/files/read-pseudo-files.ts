/**
 * Reads files of /proc, /sys and /dev, whose sizes the kernel does not know beforehand: always to
 * the end, never by st_size. For small files only; kernels and initrds have read-files.ts.
 */

import { openSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { textOf } from "../../core/bytes.ts";
import { fail, KexecError } from "../../core/error.ts";
import { type FactNote, type NoteSubject, noteOf } from "../../model/fact-note.ts";
import { closeRead } from "./close.ts";

/** Paths are those of the machine, whatever directory it is read from; so are those in messages. */
export interface PseudoFiles {
  /** @throws KexecError `facts.unreadable` */
  bytes(path: string): Uint8Array;
  /** @throws KexecError `facts.unreadable` */
  text(path: string): string;
  /** null where there is no such file. @throws KexecError `facts.unreadable` for other reasons */
  optionalBytes(path: string): Uint8Array | null;
  /** Likewise. */
  optionalText(path: string): string | null;
  /** The names in a directory, numbers in numeric order. @throws KexecError `facts.unreadable` */
  names(path: string): string[];
  /** As `names`; empty where there is no such directory. */
  optionalNames(path: string): string[];
  /** Where all links on the way lead to; null where nothing is. @throws as `optionalBytes` */
  target(path: string): string | null;
  /** Opens for reading, does, closes. @throws KexecError `facts.unreadable` */
  opened<T>(path: string, use: (fd: number) => T): T;
}

/** Why the kernel refused, in its own words where these are common. */
function reason(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") {
    return null;
  }
  switch (error.code) {
    case "ENOENT":
      return "No such file or directory";
    case "EACCES":
      return "Permission denied";
    case "EPERM":
      return "Operation not permitted";
    default:
      return error.code;
  }
}

/** @throws KexecError `facts.unreadable`, or `error` itself where it is not the kernel's refusal */
function refuse(path: string, error: unknown): never {
  const why = reason(error);
  if (why === null) throw error;
  return fail({ code: "facts.unreadable", message: `${path}: ${why}`, cause: error });
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

/** What `read` returns of `path`. @throws KexecError `facts.unreadable` */
function refusing<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    return refuse(path, error);
  }
}

/** The same; `missing` where there is no such file. */
function optional<T>(path: string, read: () => T, missing: T): T {
  try {
    return read();
  } catch (error) {
    return isMissing(error) ? missing : refuse(path, error);
  }
}

/** The names in a directory, numbers in numeric order. */
const sortedNames = (directory: string): string[] =>
  readdirSync(directory).sort((a, b) => Number(a) - Number(b) || (a < b ? -1 : 1));

// Bun's readFileSync reads until read(2) returns 0, whatever the size was said to be; opening and
// reading by hand is slower by a third, which counts with 900 files of a memory map.
function readBytes(path: string): Uint8Array {
  const buffer = readFileSync(path);
  // Not a Buffer: its slice() shares memory, where that of every other Uint8Array copies.
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** @param root the directory that stands for `/` */
export function pseudoFiles(root: string): PseudoFiles {
  const prefix = root.replace(/\/+$/, "");
  const at = (path: string): string => `${prefix}${path}`;
  const bytes = (path: string) => refusing(path, () => readBytes(at(path)));
  const optionalBytes = (path: string) => optional(path, () => readBytes(at(path)), null);
  const target = (path: string): string =>
    realpathSync(at(path)).slice(realpathSync(at("/")).replace(/\/+$/, "").length);
  return {
    bytes,
    optionalBytes,
    text: (path) => textOf(bytes(path)),
    optionalText(path) {
      const read = optionalBytes(path);
      return read === null ? null : textOf(read);
    },
    names: (path) => refusing(path, () => sortedNames(at(path))),
    optionalNames: (path) => optional(path, () => sortedNames(at(path)), []),
    target: (path) => optional(path, () => target(path), null),
    opened(path, use) {
      const fd = refusing(path, () => openSync(at(path), "r"));
      try {
        return use(fd);
      } catch (error) {
        if (error instanceof KexecError) throw error;
        return refuse(path, error);
      } finally {
        closeRead(fd);
      }
    },
  };
}

/**
 * What `read` returns; null, and the reason among `notes`, where it throws a KexecError. Nothing
 * that a machine shows may stop the reading of the other facts; bugs pass through.
 * @param subject what the note is of where the error does not begin with a file's path
 */
export function attempt<T>(
  notes: FactNote[],
  read: () => T,
  subject: NoteSubject = "machine",
): T | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    notes.push(noteOf(`${error.message}.`, subject));
    return null;
  }
}
