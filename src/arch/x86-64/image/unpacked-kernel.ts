/**
 * The kernel that a bzImage unpacks, made before the reboot: an ELF file with relocation lists
 * behind it becomes what its decompressor leaves in memory, at a virtual address of our choice.
 *
 * Linux's EFI stub does the same: it expands, relocates, sets KASLR_FLAG, and enters the kernel.
 * [linux drivers/firmware/efi/libstub/x86-stub.c efi_decompress_kernel]
 */

import { alignUp, GIB, hex, MIB } from "../../../core/address.ts";
import { Elf64_Ehdr, Elf64_Shdr, EM_X86_64 } from "../../../core/elf.ts";
import { failImage } from "../../../core/error.ts";
import { type ElfImage, type ElfLoad, readElf, whyNotElf } from "../../../image/elf-image.ts";
import type { KernelPart, RandomPlaces, UnpackedKernel } from "../../../model/payload.ts";
import type { SetupHeader } from "../handoff/setup-header.ts";
import { START_KERNEL_MAP } from "../layout.ts";
import { readRelocationLists, relocate } from "./relocation-lists.ts";

const PAGE = 4096n;
/** The kernel maps itself with pages of this size. [linux arch/x86/boot/compressed/misc.c] */
const LARGE_PAGE = 2n * MIB;
/** One past the highest offset of a kernel with relocation lists in its mapping.
 * [linux arch/x86/include/asm/page_64_types.h KERNEL_IMAGE_SIZE] */
const KERNEL_IMAGE_SIZE = GIB;

type Header = Pick<SetupHeader, "kernel_alignment" | "pref_address" | "init_size">;

const unexpected = (message: string): never => failImage({ code: "image.payload", message });

type ElfHeader = ReturnType<typeof Elf64_Ehdr.read>;

/** The end of the ELF file, which its section headers are at.
 * [linux arch/x86/boot/compressed/Makefile vmlinux.bin.all] */
function elfEnd({ e_shoff, e_shnum, e_shentsize }: ElfHeader, expanded: Uint8Array): number {
  const end = e_shoff + BigInt(e_shnum * e_shentsize);
  if (e_shnum > 0 && e_shentsize === Elf64_Shdr.size && end <= BigInt(expanded.length)) {
    return Number(end);
  }
  return unexpected(
    `its section headers are ${e_shnum} of ${e_shentsize} bytes at ${hex(e_shoff)}, ` +
      `in ${expanded.length} bytes`,
  );
}

/** Per-CPU data, until Linux 6.14 linked for virtual address 0, has its place among the others. */
const isKernelMapped = ({ virtual, physical }: ElfLoad): boolean =>
  virtual - physical === START_KERNEL_MAP || virtual === 0n;

/** @throws ImageError `image.payload` where the segments are not those of a Linux kernel that its
 *   header describes */
function checkLoads({ loads, relocatable }: ElfImage, header: Header, size: bigint): void {
  const { pref_address, init_size } = header;
  const [first] = loads;
  if (relocatable) unexpected("it is position-independent (ET_DYN)");
  if (first?.physical !== pref_address) {
    unexpected(`it begins at ${hex(first?.physical ?? 0n)}, its header has ${hex(pref_address)}`);
  }
  if (size > BigInt(init_size) || pref_address + size > KERNEL_IMAGE_SIZE) {
    unexpected(`it takes ${hex(size)} bytes, its header has ${hex(init_size)}`);
  }
  loads.forEach((load, i) => {
    const { virtual, physical, memorySize } = load;
    if (!isKernelMapped(load)) unexpected(`it has ${hex(physical)} mapped at ${hex(virtual)}`);
    const next = loads[i + 1];
    const end = alignUp(physical + memorySize, PAGE);
    if (physical % PAGE === 0n && (next === undefined || end <= next.physical)) return;
    unexpected(`two segments share a page at ${hex(end)}`);
  });
}

/** Offset of the end of the last byte that is not 0. The kernel clears its own .bss, and files
 * have it as zeros. */
function filledLength(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length;
  while (end >= 4 && view.getUint32(end - 4) === 0) end -= 4;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return end;
}

function partOf({ physical, memorySize, bytes }: ElfLoad, start: bigint): KernelPart {
  return {
    offset: physical - start,
    size: alignUp(memorySize, PAGE),
    bytes: bytes.subarray(0, filledLength(bytes)),
  };
}

/** How far above the address that it was linked for the kernel runs: each multiple of the alignment
 * up to the end of the kernel's mapping is equally likely, as in the decompressor.
 * [linux arch/x86/boot/compressed/kaslr.c find_random_virt_addr] */
function virtualOffset(min: bigint, size: bigint, alignment: bigint, random: bigint): bigint {
  const count = (KERNEL_IMAGE_SIZE - min - size) / alignment + 1n;
  return (random % count) * alignment;
}

/**
 * Makes the kernel in `expanded`, an ELF file with relocation lists, whose bytes it changes.
 * @param random null: it runs at the virtual address that it was linked for
 * @throws ImageError `image.*` for a file that is in any way unexpected
 */
export function unpackKernel(
  expanded: Uint8Array,
  header: Header,
  random: RandomPlaces | null,
): UnpackedKernel {
  const why = whyNotElf(expanded, 64, [EM_X86_64]);
  if (why !== null) unexpected(why);
  const file = Elf64_Ehdr.read(expanded);
  const end = elfEnd(file, expanded);
  const elf = readElf(expanded.subarray(0, end), 64);
  if (elf.entry !== file.e_entry) unexpected(`${hex(file.e_entry)} is no physical entry point`);
  const last = elf.loads.at(-1);
  const start = header.pref_address;
  const used = (last?.physical ?? start) + (last?.memorySize ?? 0n) - start;
  checkLoads(elf, header, used);
  const wanted = BigInt(header.kernel_alignment);
  const alignment = wanted > LARGE_PAGE ? wanted : LARGE_PAGE;
  if (start % alignment !== 0n) unexpected(`${hex(start)} is no multiple of ${hex(alignment)}`);
  const size = alignUp(used, LARGE_PAGE);
  const offset = random === null ? 0n : virtualOffset(start, size, alignment, random.virtual);
  relocate(elf.loads, readRelocationLists(expanded.subarray(end)), Number(offset));
  return {
    ...{ size, alignment, min: start },
    parts: elf.loads.map((load) => partOf(load, start)),
    entry: elf.entry - start,
    random: random?.physical ?? null,
  };
}
