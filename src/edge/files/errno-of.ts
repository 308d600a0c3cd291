/** The number of an error that `node:fs` throws. Apart from reasonOf, since this opens no
 * library. */

/** The error number, or null where `error` is not the system's refusal but a bug. */
export function errnoOf(error: unknown): number | null {
  if (!(error instanceof Error) || !("errno" in error)) return null;
  const { errno } = error;
  return typeof errno === "number" && errno < 0 ? -errno : null;
}
