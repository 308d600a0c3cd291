/** What the wrappers share: the limits, the errors, and memory that grows up to a limit. */

import { GIB } from "../core/address.ts";
import { ExitStatus, KexecError } from "../core/error.ts";

/** The most bytes that an image may expand to. No kernel comes near, and it is little enough that a
 * file made to fill memory is refused first. */
export const EXPANDED_LIMIT = Number(GIB);
/** The most wrappers around each other: a gzipped EFI zboot of a gzipped kernel has three. */
export const LAYERS_MAX = 4;

/** Expands one format. @throws KexecError `image.wrapper` beyond `limit`, or where it is damaged */
export type Expand = (bytes: Uint8Array, limit: number) => Uint8Array;

/** A damaged or over-large wrapper; `format` as a user names it. */
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

/** Joins what was expanded piece by piece. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  if (pieces.length === 1 && first !== undefined) return first;
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
