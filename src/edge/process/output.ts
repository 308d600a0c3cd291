/**
 * Standard output and error as byte streams, written at once, without the runtime's own streams,
 * which turn a closed pipe into a stack trace.
 */

import { writeSync } from "node:fs";
import { bytesOf } from "../../core/bytes.ts";
import { Errno } from "../ffi/errno.ts";
import { errnoOf } from "../files/errno-of.ts";

/** write(2) to one descriptor, from an offset; returns how many bytes were taken. */
export type Write = (bytes: Uint8Array, from: number) => number;

/**
 * A writer of byte strings. Where nobody can take them any more (a closed pipe, a full disk) it
 * falls silent: what the program does to the machine counts, and its exit status tells of that.
 * @param refused told of it once; may throw
 */
export function outputTo(
  write: Write,
  refused: (error: unknown) => void = () => {},
): (text: string) => void {
  let gone = false;
  return (text) => {
    const bytes = bytesOf(text);
    for (let done = 0; done < bytes.length && !gone; ) {
      try {
        done += write(bytes, done);
      } catch (error) {
        gone = !mayTryAgain(error);
        if (gone) refused(error);
      }
    }
  };
}

/** @throws `error` itself where it is no refusal of the system */
function mayTryAgain(error: unknown): boolean {
  const errno = errnoOf(error);
  if (errno === null) throw error;
  if (errno === Errno.EINTR) return true;
  if (errno !== Errno.EAGAIN) return false;
  // A pipe or terminal that somebody set to non-blocking is full: wait for its reader.
  Bun.sleepSync(1);
  return true;
}

export const stdout = outputTo((bytes, from) => writeSync(1, bytes, from));
export const stderr = outputTo((bytes, from) => writeSync(2, bytes, from));
