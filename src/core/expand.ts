/** What those that expand compressed data share. */

import { ExitStatus, KexecError } from "./error.ts";

export interface Expanded {
  readonly bytes: Uint8Array;
  /** The offset where what was expanded ends. Other data may follow. */
  readonly end: number;
}

/** Expands one format. @throws KexecError `image.wrapper` beyond `limit`, or where it is damaged */
export type Expand = (bytes: Uint8Array, limit: number) => Expanded;

/** As `Expand`, by a library of the host; null where it has none. */
export type HostExpand = (bytes: Uint8Array, limit: number) => Expanded | null;

/** Damaged or over-large data; `format` as a user names it. */
export function wrapperError(format: string, found: string, cause?: unknown): KexecError {
  return new KexecError({
    code: "image.wrapper",
    message: `${format}: ${found}`,
    hint: "Copy or build the file again, or unpack it by hand and load what comes out.",
    exitStatus: ExitStatus.failed,
    cause,
  });
}

export function tooLarge(format: string, limit: number): KexecError {
  return wrapperError(format, `expands to more than ${limit} bytes, the most that is taken`);
}
