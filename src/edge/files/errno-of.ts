/** The error number in an error that `node:fs` throws. It has its own file because `reasonOf` needs
 * the C library, and this does not. */

/** The error number of a failed system call; null where `error` is another error, a bug. */
export function errnoOf(error: unknown): number | null {
  if (!(error instanceof Error) || !("errno" in error)) return null;
  const { errno } = error;
  return typeof errno === "number" && errno < 0 ? -errno : null;
}
