/**
 * Reads files of /proc, /sys and /dev to their end: the kernel generates them, and their st_size
 * does not give their length. For small files; read-files.ts reads kernels and initrds.
 */

import { openSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { textOf } from "../../core/bytes.ts";
import { fail, KexecError } from "../../core/error.ts";
import { type FactNote, type NoteSubject, noteOf } from "../../model/fact-note.ts";
import { closeRead } from "./close.ts";

/** The files of a machine. Paths, also those in messages, are absolute paths on that machine, even
 * where its files are a copy in another directory. */
export interface PseudoFiles {
  /** @throws KexecError `facts.unreadable` */
  bytes(path: string): Uint8Array;
  /** @throws KexecError `facts.unreadable` */
  text(path: string): string;
  /** null where there is no such file. @throws KexecError `facts.unreadable` for other reasons */
  optionalBytes(path: string): Uint8Array | null;
  /** The same as a byte string. */
  optionalText(path: string): string | null;
  /** The names in a directory; numbers in numeric order. @throws KexecError `facts.unreadable` */
  names(path: string): string[];
  /** The names in a directory, as `names`; empty if there is no such directory. */
  optionalNames(path: string): string[];
  /** `path` with all symbolic links resolved; null if there is no such file. @throws as
   * `optionalBytes` */
  target(path: string): string | null;
  /** Opens for reading, calls `use`, and closes. @throws KexecError `facts.unreadable`, also for a
   * system call that fails in `use` */
  opened<T>(path: string, use: (fd: number) => T): T;
}

/** The C library's text for the usual errors of a system call, else the error's name (`EIO`); null
 * where `error` is not one of a system call. */
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

/** @throws KexecError `facts.unreadable`, or `error` itself if no system call failed */
function refuse(path: string, error: unknown): never {
  const why = reason(error);
  if (why === null) throw error;
  return fail({ code: "facts.unreadable", message: `${path}: ${why}`, cause: error });
}

/** A name, and the number that it is; null: it is none. Made once, and compared many times. */
interface Name {
  readonly name: string;
  readonly value: bigint | null;
}

const nameOf = (name: string): Name => ({
  name,
  value: /^[0-9]+$/.test(name) ? BigInt(name) : null,
});

/** Order of names: numbers by value first, then all other names. */
function byNumber(a: Name, b: Name): number {
  if (a.value !== null && b.value !== null && a.value !== b.value) {
    return a.value < b.value ? -1 : 1;
  }
  if ((a.value === null) !== (b.value === null)) return a.value === null ? 1 : -1;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
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
function sortedNames(directory: string): string[] {
  const names = readdirSync(directory).map(nameOf);
  return names.sort(byNumber).map(({ name }) => name);
}

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
 * What `read` returns; null, and the message added to `notes`, where `read` throws a KexecError, so
 * that one unreadable file does not stop the reading of the other facts.
 * @param subject the subject of the note where the message does not begin with a file's path
 * @throws other errors of `read`, which are bugs
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
