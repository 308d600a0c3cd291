/** What all decompressors share. */

import { hex } from "./address.ts";
import { startsWith } from "./bytes.ts";
import { ExitStatus, KexecError } from "./error.ts";

export interface Expanded {
  readonly bytes: Uint8Array;
  /** The offset in the input at which the compressed data ends. Other data may follow. */
  readonly end: number;
}

/** As many bytes of what a file expands to are looked at before it is expanded further. */
export const START_SIZE = 1 << 16;

/** Called once with at least the first `START_SIZE` bytes where there are more; what it throws ends
 * the expansion. */
export type CheckStart = (start: Uint8Array) => void;

/**
 * Expands one format. It holds one copy of its output, and stops as soon as that has more than
 * `limit` bytes.
 * @throws KexecError `image.wrapper` beyond `limit`, or for damaged data
 */
export type Expand = (bytes: Uint8Array, limit: number, checkStart?: CheckStart) => Expanded;

/** As `Expand`, with a library of the host; null where the host has none, or it does not work. */
export type HostExpand = (...input: Parameters<Expand>) => Expanded | null;

/** The error of damaged or too large data. @param format the format's name, e.g. `gzip` */
export function wrapperError(format: string, found: string, cause?: unknown): KexecError {
  return new KexecError({
    code: "image.wrapper",
    message: `${format}: ${found}`,
    hint: "Copy or build the file again, or unpack it by hand and load the result.",
    exitStatus: ExitStatus.failed,
    cause,
  });
}

/** The error of data that only the host's liblzma expands, where it has none. */
export const noLiblzma = (): KexecError =>
  wrapperError("xz or lzma", "the system has no liblzma.so.5 that can expand it");

/** The magic bytes of an XZ stream. A file may have several streams. [xz-format] 2.1.1.1 */
const XZ_MAGIC = Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0);
/** The size of the padding between streams is a multiple of this, in bytes; it is zeros. */
const XZ_ALIGNMENT = 4;

export const isXz = (bytes: Uint8Array): boolean => startsWith(bytes, XZ_MAGIC);

/**
 * The offset of the next XZ stream after the one that ends at `end` and after its padding; null
 * where other data follows, or only zeros. [xz-format] 2.2
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

/** The error of data that expands to more than `limit` bytes. */
export function tooLarge(format: string, limit: number): KexecError {
  return wrapperError(format, `expands to more than ${limit} bytes, the limit`);
}
