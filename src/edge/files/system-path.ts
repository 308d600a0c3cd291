/** Paths, which are bytes, as `node:fs` takes them. */

import { bytesOf } from "../../core/bytes.ts";

/** `path`, a byte string without NUL. */
export function systemPath(path: string): Buffer | string {
  // node:fs takes an empty buffer for a programmer's mistake, where the system is to be asked, and
  // says that there is no such file.
  return path === "" ? "" : Buffer.from(bytesOf(path));
}
