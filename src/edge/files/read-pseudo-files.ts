/**
 * Reads files of /proc, /sys and /dev, whose sizes the kernel does not know beforehand: always to
 * the end, never by st_size. For small files only; kernels and initrds have read-files.ts.
 */

import { closeSync, openSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { textOf } from "../../core/bytes.ts";
import { fail, KexecError } from "../../core/error.ts";
import { type FactNote, type NoteSubject, noteOf } from "../../model/fact-note.ts";

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
  /** Where all links on the way lead to; null where nothing is. */
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

/** For sorting names: numbers by what they are, then the others. */
function byNumber(a: string, b: string): number {
  const [one, other] = [a, b].map((name) => (/^[0-9]+$/.test(name) ? BigInt(name) : null));
  if (typeof one === "bigint" && typeof other === "bigint" && one !== other) {
    return one < other ? -1 : 1;
  }
  if ((one === null) !== (other === null)) return one === null ? 1 : -1;
  return a < b ? -1 : a > b ? 1 : 0;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

/** @param root the directory that stands for `/` */
export function pseudoFiles(root: string): PseudoFiles {
  const prefix = root.replace(/\/+$/, "");
  const at = (path: string): string => `${prefix}${path}`;

  // Bun's readFileSync reads until read(2) returns 0, whatever the size was said to be; opening and
  // reading by hand is slower by a third, which counts with 900 files of a memory map.
  const readAll = (path: string): Uint8Array => {
    const buffer = readFileSync(at(path));
    // Not a Buffer: its slice() shares memory, where that of every other Uint8Array copies.
    return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  };
  const optionalBytes = (path: string): Uint8Array | null => {
    try {
      return readAll(path);
    } catch (error) {
      return isMissing(error) ? null : refuse(path, error);
    }
  };
  const bytes = (path: string): Uint8Array => {
    try {
      return readAll(path);
    } catch (error) {
      return refuse(path, error);
    }
  };
  return {
    bytes,
    optionalBytes,
    text: (path) => textOf(bytes(path)),
    optionalText(path) {
      const read = optionalBytes(path);
      return read === null ? null : textOf(read);
    },
    names(path) {
      try {
        return readdirSync(at(path)).sort(byNumber);
      } catch (error) {
        return refuse(path, error);
      }
    },
    target(path) {
      try {
        return realpathSync(at(path)).slice(realpathSync(at("/")).replace(/\/+$/, "").length);
      } catch {
        return null;
      }
    },
    opened(path, use) {
      let fd: number;
      try {
        fd = openSync(at(path), "r");
      } catch (error) {
        return refuse(path, error);
      }
      try {
        return use(fd);
      } catch (error) {
        if (error instanceof KexecError) throw error;
        return refuse(path, error);
      } finally {
        closeSync(fd);
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
