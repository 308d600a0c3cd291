/** The reason why a call of `node:fs` failed. */

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
