/**
 * Extracts an image from its wrappers: compressed files and EFI zboot, recognised by their first
 * bytes, one inside the other. It is used for kernels and modules, never for an initrd.
 *
 * The caller brings a function that expands xz and lzma by the system's liblzma. Where that is
 * missing or cannot expand the file, our own code does it (xz.ts).
 */

import { GIB, hex } from "../core/address.ts";
import { KexecError } from "../core/error.ts";
import { type CheckStart, type Expand, type HostExpand, wrapperError } from "../core/expand.ts";
import { expandBzip2 } from "./bzip2.ts";
import { expandGzip, expandZstd } from "./deflate-zstd.ts";
import { expandLz4 } from "./lz4.ts";
import { type Compression, wrapperOf } from "./recognise.ts";
import { expandXz } from "./xz.ts";
import { unknownPayload, zbootPayload } from "./zboot.ts";

/** The default limit of the expanded size in bytes. No kernel comes near it. */
export const EXPANDED_LIMIT = Number(GIB);
/** The most wrappers, one inside the other: a gzipped EFI zboot of a gzipped kernel has three. */
const LAYERS_MAX = 4;

export interface Unwrapped {
  /** The array that was passed in, where it has no wrapper. */
  readonly bytes: Uint8Array;
  /** One for each layer, outermost first: `gzip, 8123456 -> 30123456 bytes`. */
  readonly notes: readonly string[];
}

/** The function that expands `format`. */
export function expander(format: Compression, liblzma: HostExpand): Expand {
  switch (format) {
    case "gzip":
      return expandGzip;
    case "zstd":
      return expandZstd;
    case "bzip2":
      return expandBzip2;
    case "lz4":
    case "lz4 (legacy)":
      return expandLz4;
    case "xz":
    case "lzma":
      return (...input) => liblzma(...input) ?? expandXz(...input);
  }
}

const layerNote = (format: string, outer: Uint8Array, inner: Uint8Array): string =>
  `${format}, ${outer.length} -> ${inner.length} bytes`;

function payloadOf(zboot: Uint8Array): Uint8Array {
  const payload = zbootPayload(zboot);
  if (wrapperOf(payload) === null) throw unknownPayload(zboot);
  return payload;
}

/**
 * Removes all wrappers of `file`. At any time memory holds `file`, one layer and what it expands
 * to.
 * @param limit the most bytes that one layer may expand to
 * @throws KexecError `image.wrapper`, `struct.truncated` for a damaged wrapper, one that expands to
 *   more than `limit` bytes, or more than `LAYERS_MAX` of them; what `checkStart` throws
 */
export function unwrap(
  file: Uint8Array,
  liblzma: HostExpand,
  limit = EXPANDED_LIMIT,
  checkStart?: CheckStart,
): Unwrapped {
  const notes: string[] = [];
  let bytes = file;
  for (;;) {
    const format = wrapperOf(bytes);
    if (format === null) return { bytes, notes };
    if (notes.length === LAYERS_MAX) {
      throw wrapperError("wrappers", `more than ${LAYERS_MAX}, one inside the other`);
    }
    const inner =
      format === "EFI zboot"
        ? payloadOf(bytes)
        : expander(format, liblzma)(bytes, limit, checkStart).bytes;
    notes.push(layerNote(format, bytes, inner));
    bytes = inner;
  }
}

/**
 * Expands a module of a multiboot image that has one compression, as kexec-tools does. A module may
 * be any file, and an initrd may be several archives one after the other: where the data cannot be
 * expanded to the end of the file, the module stays as it is, and the note says why.
 * @param limit the most bytes that it may expand to
 */
export function expandModule(
  file: Uint8Array,
  liblzma: HostExpand,
  limit = EXPANDED_LIMIT,
): Unwrapped {
  const format = wrapperOf(file);
  if (format === null || format === "EFI zboot") return { bytes: file, notes: [] };
  const asItIs = (why: string): Unwrapped => ({ bytes: file, notes: [`not expanded: ${why}`] });
  try {
    const { bytes, end } = expander(format, liblzma)(file, limit);
    // Zeros may pad a file, or separate archives.
    const isWhole = file.subarray(end).every((byte) => byte === 0);
    if (!isWhole) return asItIs(`other data follow its ${format} data at offset ${hex(end)}`);
    return { bytes, notes: [layerNote(format, file, bytes)] };
  } catch (error) {
    if (error instanceof KexecError) return asItIs(error.message);
    throw error;
  }
}
