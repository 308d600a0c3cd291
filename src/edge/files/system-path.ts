/** Conversion of paths, which are bytes, for `node:fs`. */

import { bytesOf } from "../../core/bytes.ts";

/** The path for `node:fs`. @param path a byte string without NUL */
export function systemPath(path: string): Buffer | string {
  // node:fs rejects an empty Buffer itself. It passes an empty string to the system, which answers
  // ENOENT, and that is the error to report.
  return path === "" ? "" : Buffer.from(bytesOf(path));
}
