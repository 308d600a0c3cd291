/** The header of an `.lzma` file. It has no magic number; the values of its fields identify it.
 * [lzma-sdk DOC/lzma-specification.txt] */

/** Bytes of the header: properties (1), dictionary size (4), expanded size (8). */
export const LZMA_HEADER = 13;
/** The value of the size field where the size is unknown; the data then have an end marker. */
export const UNKNOWN_SIZE = 0xffff_ffff_ffff_ffffn;
/** liblzma does not take a file with a larger size for `.lzma`: 256 GiB. */
const SIZE_MAX = 1n << 38n;
const DICTIONARY_MIN = 4096;

/** lc, lp and pb: how many bits of the previous byte and of the position select the
 * probabilities. */
export interface LzmaProperties {
  readonly literalContext: number;
  readonly literalPosition: number;
  readonly position: number;
}

/** The properties in the first byte of a header; null where the byte is invalid. As in liblzma, lc
 * + lp is at most 4. */
export function lzmaProperties(byte: number): LzmaProperties | null {
  if (byte >= 9 * 5 * 5) return null;
  const literalContext = byte % 9;
  const rest = Math.floor(byte / 9);
  const literalPosition = rest % 5;
  if (literalContext + literalPosition > 4) return null;
  return { literalContext, literalPosition, position: Math.floor(rest / 5) };
}

/** True for 0, 2^n, 2^n + 2^(n-1) and 2^32 - 1. Compressors write no other dictionary size, which
 * distinguishes the format from others. */
export function isDictionarySize(size: number): boolean {
  return size === 0xffffffff || /^(?:0|1[01]?0*)$/.test(size.toString(2));
}

/** True if each field of the header has a value that xz writes, and the data begin with a zero, as
 * the range coder does. */
export function isLzmaHeader(bytes: Uint8Array): boolean {
  if (bytes.length <= LZMA_HEADER) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const dictionarySize = view.getUint32(1, true);
  const size = view.getBigUint64(5, true);
  return (
    lzmaProperties(view.getUint8(0)) !== null &&
    dictionarySize >= DICTIONARY_MIN &&
    isDictionarySize(dictionarySize) &&
    (size === UNKNOWN_SIZE || size < SIZE_MAX) &&
    view.getUint8(LZMA_HEADER) === 0
  );
}
