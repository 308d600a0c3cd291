/** What the system said when a call of `node:fs` failed. */

import { strerror } from "../ffi/libc.ts";

/** The error number, or null where `error` is not the system's refusal but a bug. */
export function errnoOf(error: unknown): number | null {
  if (!(error instanceof Error) || !("errno" in error)) return null;
  const { errno } = error;
  return typeof errno === "number" && errno < 0 ? -errno : null;
}

/**
 * The C library's words for it, as scripts know them.
 * @throws `error` itself where it is a bug
 */
export function reasonOf(error: unknown): string {
  const errno = errnoOf(error);
  if (errno === null) throw error;
  return strerror(errno);
}
