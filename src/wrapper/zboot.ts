/** EFI zboot: a PE file that unpacks a kernel; it names where the compressed kernel lies.
 * [linux drivers/firmware/efi/libstub/zboot-header.S] */

import { hex } from "../core/address.ts";
import { wrapperError } from "../core/expand.ts";
import { defineStruct, u16, u32 } from "../core/struct.ts";

const MZ = 0x5a4d;
/** "zimg" */
const ZIMG = 0x676d697a;

const ZbootHeader = defineStruct("zboot header", 56, {
  mz_magic: u16(0),
  image_type: u32(4),
  payload_offset: u32(8),
  payload_size: u32(12),
});

export function isZboot(bytes: Uint8Array): boolean {
  if (bytes.length < ZbootHeader.size) return false;
  const { mz_magic, image_type } = ZbootHeader.read(bytes);
  return mz_magic === MZ && image_type === ZIMG;
}

/** The kernel in it, compressed. @throws KexecError `image.wrapper` */
export function zbootPayload(bytes: Uint8Array): Uint8Array {
  const { payload_offset: offset, payload_size: size } = ZbootHeader.read(bytes);
  if (size === 0 || offset + size > bytes.length) {
    throw wrapperError(
      "EFI zboot",
      `${hex(size)} bytes at offset ${hex(offset)} are to be the kernel, the file has ` +
        `${hex(bytes.length)}`,
    );
  }
  return bytes.subarray(offset, offset + size);
}
