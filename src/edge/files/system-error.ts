/** The reason why a call of `node:fs` failed. */

import { Errno } from "../ffi/errno.ts";
import { strerror } from "../ffi/libc.ts";
import { errnoOf } from "./errno-of.ts";

/**
 * The C library's text for the error, which scripts search for: `No such file or directory`.
 * @throws `error` itself where no system call failed, which is a bug
 */
export function reasonOf(error: unknown): string {
  const errno = errnoOf(error);
  if (errno === null) throw error;
  return strerror(errno);
}

/** More signals than arrive while one call waits. */
const INTERRUPTIONS = 1000;

/**
 * Makes a call of `node:fs` again that a signal interrupted.
 * @throws the system's error
 */
export function uninterrupted<T>(call: () => T): T {
  for (let left = INTERRUPTIONS; ; left -= 1) {
    try {
      return call();
    } catch (error) {
      if (left === 0 || errnoOf(error) !== Errno.EINTR) throw error;
    }
  }
}
