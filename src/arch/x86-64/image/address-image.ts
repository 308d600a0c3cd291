/** Images whose multiboot header has the load addresses, so that the file need not be ELF. */

import { hex } from "../../../core/address.ts";
import { failImage } from "../../../core/error.ts";
import type { ElfImage } from "../../../image/elf-image.ts";

/** The fields of both header versions; physical addresses. load_end_addr 0: up to the end of the
 * file; bss_end_addr 0: no bss. */
export interface LoadAddresses {
  readonly header_addr: number;
  readonly load_addr: number;
  readonly load_end_addr: number;
  readonly bss_end_addr: number;
}

function refuse(message: string): never {
  return failImage({ code: "image.multiboot-header", message });
}

/**
 * The image in `file` whose header is at `headerOffset`.
 * @throws KexecError `image.multiboot-header` for addresses that contradict each other
 */
export function addressImage(
  file: Uint8Array,
  headerOffset: number,
  addresses: LoadAddresses,
  entry: number,
): ElfImage {
  const { header_addr, load_addr, load_end_addr, bss_end_addr } = addresses;
  const offset = headerOffset - (header_addr - load_addr);
  if (load_addr > header_addr || offset < 0) {
    refuse(`load_addr ${hex(load_addr)} with header_addr ${hex(header_addr)} is not in the file`);
  }
  const length = load_end_addr === 0 ? file.length - offset : load_end_addr - load_addr;
  if (length <= 0) refuse(`load_end_addr ${hex(load_end_addr)} is not above load_addr`);
  if (offset + length > file.length) {
    refuse(`the file is cut short: it has ${file.length} bytes, not ${offset + length}`);
  }
  const memory = bss_end_addr === 0 ? length : bss_end_addr - load_addr;
  if (memory < length) refuse(`bss_end_addr ${hex(bss_end_addr)} is below the loaded bytes' end`);
  if (entry < load_addr || entry >= load_addr + length) {
    refuse(`the entry point ${hex(entry)} is outside the loaded bytes`);
  }
  const physical = BigInt(load_addr);
  const bytes = file.subarray(offset, offset + length);
  return {
    bits: 32,
    relocatable: false,
    entry: BigInt(entry),
    alignment: 1n,
    loads: [{ bytes, virtual: physical, physical, memorySize: BigInt(memory) }],
  };
}
