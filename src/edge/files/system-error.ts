/** What the system said when a call of `node:fs` failed. */

import { strerror } from "../ffi/libc.ts";
import { errnoOf } from "./errno-of.ts";

/**
 * The C library's words for it, as scripts know them.
 * @throws `error` itself where it is a bug
 */
export function reasonOf(error: unknown): string {
  const errno = errnoOf(error);
  if (errno === null) throw error;
  return strerror(errno);
}
