/** What those that expand compressed data share. */

import { hex } from "./address.ts";
import { startsWith } from "./bytes.ts";
import { ExitStatus, KexecError } from "./error.ts";

export interface Expanded {
  readonly bytes: Uint8Array;
  /** The offset where what was expanded ends. Other data may follow. */
  readonly end: number;
}

/**
 * Expands one format. It holds what it makes once, and refuses as soon as that is more than `limit`
 * bytes, which the caller chooses.
 * @throws KexecError `image.wrapper` beyond `limit`, or where it is damaged
 */
export type Expand = (bytes: Uint8Array, limit: number) => Expanded;

/** As `Expand`, by a library of the host; null where it has none, or none that can. */
export type HostExpand = (bytes: Uint8Array, limit: number) => Expanded | null;

/** Damaged or over-large data; `format` as a user names it. */
export function wrapperError(format: string, found: string, cause?: unknown): KexecError {
  return new KexecError({
    code: "image.wrapper",
    message: `${format}: ${found}`,
    hint: "Copy or build the file again, or unpack it by hand and load the result.",
    exitStatus: ExitStatus.failed,
    cause,
  });
}

/** XZ streams may follow one another. [xz-format] 2.1.1.1 */
const XZ_MAGIC = Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0);
/** Between streams there may be zeros, so many that each begins at a multiple of this. */
const XZ_ALIGNMENT = 4;

export const isXz = (bytes: Uint8Array): boolean => startsWith(bytes, XZ_MAGIC);

/**
 * The offset of the XZ stream that follows the one that ends at `end`, behind the padding between
 * them; null where other data follow, or only zeros. [xz-format] 2.2
 * @throws KexecError `image.wrapper` for padding that is no multiple of four bytes
 */
export function nextXzStream(bytes: Uint8Array, end: number): number | null {
  let next = end;
  while (bytes[next] === 0) next += 1;
  if (!isXz(bytes.subarray(next))) return null;
  const padding = next - end;
  if (padding % XZ_ALIGNMENT === 0) return next;
  throw wrapperError(
    "xz",
    `${padding} bytes of padding at offset ${hex(end)}, no multiple of ${XZ_ALIGNMENT}`,
  );
}

/** @param limit in bytes */
export function tooLarge(format: string, limit: number): KexecError {
  return wrapperError(format, `expands to more than ${limit} bytes, the limit`);
}
