/** EFI zboot: a PE file that unpacks a kernel; it names where the compressed kernel lies.
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
/** Behind it are a magic number of Linux's and where the PE header lies. */
const HEADER_END = 64;
/** As `gzip`, `zstd22`, `xzkern` and `lzo` are. */
const COMPRESSION_NAME = /^[a-z0-9]+$/;

export function isZboot(bytes: Uint8Array): boolean {
  if (bytes.length < ZbootHeader.size) return false;
  const { mz_magic, image_type } = ZbootHeader.read(bytes);
  return mz_magic === MZ && image_type === ZIMG;
}

/** The kernel in it, compressed. @throws KexecError `image.wrapper` */
export function zbootPayload(bytes: Uint8Array): Uint8Array {
  const { payload_offset: offset, payload_size: size } = ZbootHeader.read(bytes);
  if (offset < HEADER_END) {
    throw wrapperError(FORMAT, `the kernel is to be at offset ${hex(offset)}, in the header`);
  }
  if (size === 0 || offset + size > bytes.length) {
    throw wrapperError(
      FORMAT,
      `${hex(size)} bytes at offset ${hex(offset)} are to be the kernel, the file has ` +
        `${hex(bytes.length)}`,
    );
  }
  return bytes.subarray(offset, offset + size);
}

/**
 * For a payload that begins as no compression does. What it is compressed by is always seen from
 * its first bytes: kernels have had more than one name for the same format.
 */
export function unknownPayload(bytes: Uint8Array): Error {
  const { payload_offset, comp_type } = ZbootHeader.read(bytes);
  const name = textUntilNul(comp_type);
  const said = COMPRESSION_NAME.test(name) ? `, by its header ${name},` : "";
  return wrapperError(
    FORMAT,
    `the kernel at offset ${hex(payload_offset)}${said} begins as none of the known compressions`,
  );
}
