/**
 * What a bzImage of 64-bit Linux has inside: an ELF file with section headers at its end,
 * relocation lists behind it, all of it compressed, and the size. Byte by byte from the kernel's
 * build, and not by the tables under test. [linux arch/x86/boot/compressed/Makefile]
 * [linux arch/x86/tools/relocs.c]
 */

import { type BzImageParts, makeBzImage } from "./make-bzimage.ts";
import { type ElfPart, makeElf } from "./make-elf.ts";

/** Where the kernel is linked for. */
export const LINKED = 0x1000000n;
const START_KERNEL_MAP = 0xffffffff80000000n;

/** The lower half of the virtual address of a byte of the kernel: `offset` from its start. */
export const wordOf = (offset: number): number => 0x81000000 + offset;

/** Offsets from the kernel's start, by list: 64-bit numbers, and 32-bit ones to subtract from and
 * to add to. Without the middle one there are two lists, as since Linux 6.15. */
export interface Relocations {
  readonly add64: readonly number[];
  readonly subtract32?: readonly number[];
  readonly add32: readonly number[];
}

export const RELOCATIONS: Relocations = {
  add64: [0x100, 0x10c, 0x1ff8, 0x3010],
  subtract32: [0x200, 0x3020],
  add32: [0x300, 0x304, 0x2000, 0x3ffc],
};

const part = (physical: bigint, virtual: bigint, bytes: Uint8Array, memory?: bigint): ElfPart => ({
  ...{ physical, virtual, bytes },
  ...(memory === undefined ? {} : { memorySize: memory }),
});

/** A byte that differs from its neighbours and is never 0. */
export const filled = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => 1 + ((i * 31 + (i >> 8)) % 0x7f));

/** Text of two pages and a bit, per-CPU data at virtual address 0, and data with .bss behind it. */
export const PARTS: readonly ElfPart[] = [
  part(LINKED, LINKED + START_KERNEL_MAP, filled(0x2100)),
  part(LINKED + 0x3000n, 0n, filled(0x1000)),
  part(LINKED + 0x4000n, LINKED + 0x4000n + START_KERNEL_MAP, withZeros(filled(0x800), 0x2000)),
];

function withZeros(bytes: Uint8Array, length: number): Uint8Array {
  const all = new Uint8Array(length);
  all.set(bytes);
  return all;
}

/** The lists, each after a zero. */
export function relocationWords({ add64, subtract32, add32 }: Relocations): Uint8Array {
  const lists = [add64, ...(subtract32 === undefined ? [] : [subtract32]), add32];
  const words = lists.flatMap((offsets) => [0, ...offsets.map(wordOf)]);
  return new Uint8Array(Uint32Array.from(words).buffer);
}

/** An ELF file with `sections` section headers at its end, all of them zeros. */
export function withSections(elf: Uint8Array, sections = 3): Uint8Array {
  const start = Math.ceil(elf.length / 8) * 8;
  const file = new Uint8Array(start + sections * 64);
  file.set(elf);
  const view = new DataView(file.buffer);
  view.setBigUint64(40, BigInt(start), true);
  view.setUint16(58, 64, true);
  view.setUint16(60, sections, true);
  return file;
}

export interface KernelParts {
  readonly parts?: readonly ElfPart[];
  readonly entry?: bigint;
  readonly type?: number;
  readonly machine?: number;
  /** In place of the lists. */
  readonly behind?: Uint8Array;
  readonly relocations?: Relocations;
}

/** What a payload expands to. */
export function makeExpanded(kernel: KernelParts = {}): Uint8Array {
  const { parts = PARTS, entry = LINKED + 0x40n, relocations = RELOCATIONS } = kernel;
  const { type = 2, machine = 62 } = kernel;
  const elf = withSections(makeElf({ bits: 64, parts, entry, type, machine, align: 0x200000n }));
  const behind = kernel.behind ?? relocationWords(relocations);
  return new Uint8Array(Buffer.concat([elf, behind]));
}

/** `xloadflags` of a kernel that supports 5-level page tables. */
export const FIVE_LEVEL = 0x7f;

export const sizeBytes = (size: number): Uint8Array => new Uint8Array(Uint32Array.of(size).buffer);

/** A bzImage with `payload` at offset 0x400 of its 64-bit code. */
export function withPayload(payload: Uint8Array, parts: BzImageParts = {}): Uint8Array {
  const codeSize = Math.ceil((0x400 + payload.length + 1) / 16) * 16;
  const image = makeBzImage({ xloadflags: FIVE_LEVEL, ...parts, codeSize });
  const view = new DataView(image.buffer);
  view.setUint32(0x248, 0x400, true);
  view.setUint32(0x24c, payload.length, true);
  image.set(payload, image.length - codeSize + 0x400);
  return image;
}

/** A bzImage as the kernel's build makes it with CONFIG_KERNEL_GZIP. */
export const makeLinux = (kernel: KernelParts = {}, parts: BzImageParts = {}): Uint8Array =>
  withPayload(new Uint8Array(Bun.gzipSync(makeExpanded(kernel).slice())), parts);
