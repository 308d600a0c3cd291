/** EFI zboot: a PE file that contains a compressed kernel and unpacks it when firmware starts it.
 * Its header has the offset and the size of the compressed kernel.
 * [linux drivers/firmware/efi/libstub/zboot-header.S] */

import { hex } from "../core/address.ts";
import { textUntilNul } from "../core/bytes.ts";
import { wrapperError } from "../core/expand.ts";
import { blob, defineStruct, u16, u32 } from "../core/struct.ts";

const FORMAT = "EFI zboot";
const MZ = 0x5a4d;
/** "zimg" */
const ZIMG = 0x676d697a;

const ZbootHeader = defineStruct("zboot header", 56, {
  mz_magic: u16(0),
  image_type: u32(4),
  payload_offset: u32(8),
  payload_size: u32(12),
  comp_type: blob(24, 32),
});
/** The end of the header: Linux's magic number and the PE header's offset follow the fields
 * above. */
const HEADER_END = 64;
/** The form of a compression's name: `gzip`, `zstd22`, `xzkern`, `lzo`. */
const COMPRESSION_NAME = /^[a-z0-9]+$/;

export function isZboot(bytes: Uint8Array): boolean {
  if (bytes.length < ZbootHeader.size) return false;
  const { mz_magic, image_type } = ZbootHeader.read(bytes);
  return mz_magic === MZ && image_type === ZIMG;
}

/** The compressed kernel in the file. @throws KexecError `image.wrapper` */
export function zbootPayload(bytes: Uint8Array): Uint8Array {
  const { payload_offset: offset, payload_size: size } = ZbootHeader.read(bytes);
  if (offset < HEADER_END) {
    throw wrapperError(FORMAT, `its header places the kernel in the header, at ${hex(offset)}`);
  }
  if (size === 0 || offset + size > bytes.length) {
    throw wrapperError(
      FORMAT,
      `its header places the kernel at ${hex(offset)}, ${hex(size)} bytes; the file has ` +
        `${hex(bytes.length)}`,
    );
  }
  return bytes.subarray(offset, offset + size);
}

/**
 * The error for a payload in no known compression. The payload's first bytes always decide what it
 * is compressed by, since kernels have used more than one name for the same format.
 */
export function unknownPayload(bytes: Uint8Array): Error {
  const { payload_offset, comp_type } = ZbootHeader.read(bytes);
  const name = textUntilNul(comp_type);
  const said = COMPRESSION_NAME.test(name) ? `, "${name}" by its header,` : "";
  return wrapperError(
    FORMAT,
    `the kernel at offset ${hex(payload_offset)}${said} is in no known compression`,
  );
}
