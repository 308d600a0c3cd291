/**
 * Takes an image out of what it is wrapped in: compressed files and EFI zboot, recognised by their
 * first bytes, one inside the other. Only kernels are unwrapped, never an initrd.
 *
 * xz and lzma are the host's to expand (liblzma), which the caller brings; where it has none, our
 * own code does it.
 */

import { GIB } from "../core/address.ts";
import { type Expand, type HostExpand, wrapperError } from "../core/expand.ts";
import { expandBzip2 } from "./bzip2.ts";
import { expandGzip, expandZstd } from "./deflate-zstd.ts";
import { expandLz4, expandLz4Legacy } from "./lz4.ts";
import { type Compression, wrapperOf } from "./recognise.ts";
import { expandXz } from "./xz.ts";
import { zbootPayload } from "./zboot.ts";

/** The most bytes that an image may expand to. No kernel comes near, and it is little enough that a
 * file made to fill memory is refused first. */
const EXPANDED_LIMIT = Number(GIB);
/** The most wrappers around each other: a gzipped EFI zboot of a gzipped kernel has three. */
const LAYERS_MAX = 4;

export interface Unwrapped {
  /** The very array that was given where nothing was unwrapped. */
  readonly bytes: Uint8Array;
  /** One for each layer, outermost first: `gzip, 8123456 -> 30123456 bytes`. */
  readonly notes: readonly string[];
}

function expander(format: Compression, liblzma: HostExpand): Expand {
  switch (format) {
    case "gzip":
      return expandGzip;
    case "zstd":
      return expandZstd;
    case "bzip2":
      return expandBzip2;
    case "lz4":
      return expandLz4;
    case "lz4 (legacy)":
      return expandLz4Legacy;
    case "xz":
    case "lzma":
      return (bytes, limit) => liblzma(bytes, limit) ?? expandXz(bytes, limit);
  }
}

/**
 * What is inside all wrappers of `file`.
 * @throws KexecError `image.wrapper`, `struct.truncated` for a damaged wrapper, one that expands to
 *   more than `limit` bytes, or more than `LAYERS_MAX` of them
 */
export function unwrap(file: Uint8Array, liblzma: HostExpand, limit = EXPANDED_LIMIT): Unwrapped {
  const notes: string[] = [];
  let bytes = file;
  for (;;) {
    const format = wrapperOf(bytes);
    if (format === null) return { bytes, notes };
    if (notes.length === LAYERS_MAX) {
      throw wrapperError("wrappers", `more than ${LAYERS_MAX} of them, one inside the other`);
    }
    const inner =
      format === "EFI zboot" ? zbootPayload(bytes) : expander(format, liblzma)(bytes, limit);
    notes.push(`${format}, ${bytes.length} -> ${inner.length} bytes`);
    bytes = inner;
  }
}
