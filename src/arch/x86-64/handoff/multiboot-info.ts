/** Multiboot (version 1) information: the image gets its address in EBX. [multiboot §3.3] */

import { alignUp } from "../../../core/address.ts";
import { defineStruct, u32, u64 } from "../../../core/struct.ts";
import {
  LOADER_NAME,
  type MultibootContent,
  MultibootFramebuffer,
  textWithNul,
} from "./multiboot-content.ts";

/** The value of EAX at the image's entry. */
export const MULTIBOOT_BOOTLOADER_MAGIC = 0x2badb002n;

export const MultibootInfo = defineStruct("multiboot_info", 116, {
  flags: u32(0),
  mem_lower: u32(4),
  mem_upper: u32(8),
  boot_device: u32(12),
  cmdline: u32(16),
  mods_count: u32(20),
  mods_addr: u32(24),
  mmap_length: u32(44),
  mmap_addr: u32(48),
  boot_loader_name: u32(64),
});

const FRAMEBUFFER_AT = 88;

export const MultibootModuleEntry = defineStruct("multiboot module", 16, {
  mod_start: u32(0),
  mod_end: u32(4),
  string: u32(8),
  reserved: u32(12),
});

/** `size` does not count its own 4 bytes. */
export const MultibootMmapEntry = defineStruct("multiboot mmap entry", 24, {
  size: u32(0),
  addr: u64(4),
  len: u64(12),
  type: u32(20),
});

/** Bits of `flags`: which fields are valid. */
export const MultibootInfoFlag = {
  memory: 1 << 0,
  cmdline: 1 << 2,
  mods: 1 << 3,
  memMap: 1 << 6,
  bootLoaderName: 1 << 9,
  framebuffer: 1 << 12,
} as const;

/** Offsets from the start of the information, and its size, in bytes. */
function layOut({ commandLine, modules, memory }: MultibootContent) {
  const mods = MultibootInfo.size + 4;
  const mmap = mods + modules.length * MultibootModuleEntry.size;
  const texts = [commandLine, LOADER_NAME, ...modules.map((m) => m.commandLine)].map(textWithNul);
  let at = mmap + memory.entries.length * MultibootMmapEntry.size;
  const textsAt = texts.map((text) => {
    const here = at;
    at += text.length;
    return here;
  });
  return { mods, mmap, texts, textsAt, size: Number(alignUp(BigInt(at), 4n)) };
}

/** Size in bytes of `multibootInfo` for `content`; the modules' addresses do not matter. */
export const multibootInfoSize = (content: MultibootContent): number => layOut(content).size;

/** The information for the physical address `address`; all addresses are below 4 GiB. */
export function multibootInfo(content: MultibootContent, address: bigint): Uint8Array {
  const { mods, mmap, texts, textsAt, size } = layOut(content);
  const { modules, memory, screen } = content;
  const bytes = new Uint8Array(size);
  const at = (offset: number) => Number(address) + offset;
  texts.forEach((text, i) => {
    bytes.set(text, textsAt[i] ?? 0);
  });
  modules.forEach(({ start, end }, i) => {
    const entry = {
      mod_start: Number(start),
      mod_end: Number(end),
      string: at(textsAt[i + 2] ?? 0),
    };
    MultibootModuleEntry.write(bytes, entry, mods + i * MultibootModuleEntry.size);
  });
  memory.entries.forEach((entry, i) => {
    const row = { ...entry, size: MultibootMmapEntry.size - 4 };
    MultibootMmapEntry.write(bytes, row, mmap + i * MultibootMmapEntry.size);
  });
  const flag = MultibootInfoFlag;
  MultibootInfo.write(bytes, {
    flags:
      flag.memory |
      flag.cmdline |
      flag.memMap |
      flag.bootLoaderName |
      (modules.length > 0 ? flag.mods : 0) |
      (screen === null ? 0 : flag.framebuffer),
    mem_lower: memory.lower,
    mem_upper: memory.upper,
    cmdline: at(textsAt[0] ?? 0),
    mods_count: modules.length,
    mods_addr: modules.length > 0 ? at(mods) : 0,
    mmap_length: memory.entries.length * MultibootMmapEntry.size,
    mmap_addr: at(mmap),
    boot_loader_name: at(textsAt[1] ?? 0),
  });
  if (screen !== null) {
    MultibootFramebuffer.write(bytes, screen.screen, FRAMEBUFFER_AT);
    bytes.set(screen.colors, FRAMEBUFFER_AT + MultibootFramebuffer.size);
  }
  return bytes;
}
