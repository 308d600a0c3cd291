/** The least that makes an ELF file a Linux kernel: its banner, and its virtual addresses. */

import { pattern } from "../plan/pieces.ts";
import type { ElfParts } from "./make-elf.ts";

export interface VmlinuxParts {
  readonly bits?: 32 | 64;
  /** Where the first of its two parts goes; the second is 4 MiB above, and has 128 KiB. */
  readonly physical?: bigint;
  /** What stands where the banner does. */
  readonly banner?: string;
  /** Virtual less physical addresses. */
  readonly offset?: bigint;
}

/** Parts of an ELF file for `makeElf`, entered 0x40 bytes into the first. */
export function vmlinuxParts({
  bits = 64,
  physical = 0x1000000n,
  banner = "Linux version 6.1.0-test (someone)",
  offset = bits === 64 ? 0xffffffff80000000n : 0xc0000000n,
}: VmlinuxParts = {}): ElfParts {
  const bytes = pattern(0x1800);
  bytes.set(Buffer.from(banner), 0x100);
  const second = physical + 0x400000n;
  return {
    bits,
    parts: [
      { physical, virtual: physical + offset, bytes },
      { physical: second, virtual: second + offset, bytes, memorySize: 0x20000n },
    ],
    entry: physical + 0x40n,
    align: 0x200000n,
  };
}
