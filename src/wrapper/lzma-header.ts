/** The header of an `.lzma` file, which has no magic: it is known by what its fields may be.
 * [lzma-sdk DOC/lzma-specification.txt] */

/** Properties, the dictionary's size, the size of what is in it. */
export const LZMA_HEADER = 13;
/** Stands for a size that is not known: then there is an end marker. */
export const UNKNOWN_SIZE = 0xffff_ffff_ffff_ffffn;
/** liblzma takes no larger size for one: 256 GiB. */
const SIZE_MAX = 1n << 38n;
const DICTIONARY_MIN = 4096;

/** How many bits of what came before choose the probabilities of a literal and a match. */
export interface LzmaProperties {
  readonly literalContext: number;
  readonly literalPosition: number;
  readonly position: number;
}

/** The first byte of a header; null where it is none. As in liblzma, at most 4 bits choose a
 * literal. */
export function lzmaProperties(byte: number): LzmaProperties | null {
  if (byte >= 9 * 5 * 5) return null;
  const literalContext = byte % 9;
  const rest = Math.floor(byte / 9);
  const literalPosition = rest % 5;
  if (literalContext + literalPosition > 4) return null;
  return { literalContext, literalPosition, position: Math.floor(rest / 5) };
}

/** Whether it is 0, 2^n or 2^n + 2^(n-1), as every compressor writes it: so the format can be told
 * from others. */
export function isDictionarySize(size: number): boolean {
  return size === 0xffffffff || /^(?:0|1[01]?0*)$/.test(size.toString(2));
}

/** Whether each field of a header is one that xz writes, and the data begin as they must: a zero
 * is the first byte of the range coder. */
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
