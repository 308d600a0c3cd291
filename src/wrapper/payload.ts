/**
 * Expands the compressed kernel in an image: one of the formats of `recognise.ts`. xz and lzma need
 * the host's liblzma: our own code takes longer than the kernel that it would save the work.
 */

import { hex } from "../core/address.ts";
import { type HostExpand, noLiblzma, wrapperError } from "../core/expand.ts";
import { wrapperOf } from "./recognise.ts";
import { expander } from "./unwrap.ts";

/** The size that follows the compressed data; in gzip's format it is part of them.
 * [linux scripts/Makefile.lib size_append] */
const SIZE_LENGTH = 4;

const orRefuse =
  (liblzma: HostExpand): HostExpand =>
  (...input) => {
    const expanded = liblzma(...input);
    if (expanded !== null) return expanded;
    throw noLiblzma();
  };

export interface ExpandedPayload {
  readonly bytes: Uint8Array;
  /** E.g. `zstd`. */
  readonly format: string;
}

/**
 * Expands a payload to exactly `size` bytes.
 * @throws KexecError `image.wrapper`, `struct.truncated` for an unknown format, for damaged data,
 *   where these expand to another size or have another end than they should, and without liblzma
 */
export function expandPayload(
  payload: Uint8Array,
  size: number,
  liblzma: HostExpand,
): ExpandedPayload {
  const format = wrapperOf(payload);
  if (format === null || format === "EFI zboot") {
    throw wrapperError("payload", "compressed in an unknown format");
  }
  const data = format === "gzip" ? payload : payload.subarray(0, -SIZE_LENGTH);
  const { bytes, end } = expander(format, orRefuse(liblzma))(data, size);
  if (end !== data.length) {
    throw wrapperError(format, `ends at offset ${hex(end)} of the payload's ${hex(data.length)}`);
  }
  if (bytes.length !== size) {
    throw wrapperError(format, `expands to ${bytes.length} bytes, ${size} are needed`);
  }
  return { bytes, format };
}
