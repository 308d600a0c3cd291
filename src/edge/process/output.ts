/**
 * Standard output and error as unbuffered byte streams. The runtime's own streams are not used,
 * because they end the program with a stack trace when a pipe is closed.
 */

import { writeSync } from "node:fs";
import { bytesOf } from "../../core/bytes.ts";
import { Errno } from "../ffi/errno.ts";
import { errnoOf } from "../files/errno-of.ts";

/** write(2) of `bytes` from offset `from` to one descriptor; returns how many bytes it wrote. */
export type Write = (bytes: Uint8Array, from: number) => number;

/**
 * Makes a function that writes byte strings. When a write fails for good (closed pipe, full disk),
 * it discards the rest without an error: a load must not fail because of its messages.
 * @param refused called once, with the error of that write; may throw
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

/** Whether the write is worth repeating; waits 1 ms before it where the reader is slow.
 * @throws `error` itself where no system call failed, which is a bug */
function mayTryAgain(error: unknown): boolean {
  const errno = errnoOf(error);
  if (errno === null) throw error;
  if (errno === Errno.EINTR) return true;
  if (errno !== Errno.EAGAIN) return false;
  // Another process has set the pipe or terminal to non-blocking, and it is full: wait 1 ms.
  Bun.sleepSync(1);
  return true;
}

export const stdout = outputTo((bytes, from) => writeSync(1, bytes, from));
export const stderr = outputTo((bytes, from) => writeSync(2, bytes, from));
