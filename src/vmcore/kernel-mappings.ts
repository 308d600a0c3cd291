/**
 * How the crashed kernel mapped its memory, by its vmcoreinfo: for dumps that have physical
 * addresses only, as QEMU writes them. The kernel's image and the log buffer may be in two
 * mappings, because the kernel allocates the buffer at run time if it has many CPUs or
 * `log_buf_len=`. [linux Documentation/admin-guide/kdump/vmcoreinfo.rst]
 */

import { EM_AARCH64, EM_RISCV, EM_X86_64 } from "../core/elf.ts";
import type { Vmcoreinfo } from "./vmcoreinfo.ts";
import {
  type ReadPhysical,
  START_KERNEL_MAP,
  walkX86PageTables,
  X86_FRAME_MASK,
} from "./x86-page-tables.ts";

export interface KernelMapping {
  /** The physical address of a virtual one; null where this mapping does not contain it. */
  physicalOf(address: bigint): bigint | null;
  /** True if memory is contiguous in physical addresses only within a page of 4 KiB. */
  readonly byPage: boolean;
}

type Translate = KernelMapping["physicalOf"];

/** [linux Documentation/arch/x86/x86_64/mm.rst] */
const X86_TEXT_END = 0xffffffffc0000000n;

const linear = (physicalOf: Translate): KernelMapping => ({ physicalOf, byPage: false });
const wrapped = (address: bigint): bigint => BigInt.asUintN(64, address);

/** The mappings that may contain an address of a kernel for the ELF machine `machine`, the
 * likeliest first. */
export function kernelMappings(
  machine: number,
  info: Vmcoreinfo,
  read: ReadPhysical,
): readonly KernelMapping[] {
  return [
    ...(machine === EM_X86_64 ? x86Mappings(info, read) : []),
    ...(machine === EM_AARCH64 ? arm64Mappings(info) : []),
    ...(machine === EM_RISCV ? riscvMappings(info) : []),
    ...directMapping(info),
  ];
}

/** Maps the image by `phys_base`, and all else by the page tables: `page_offset_base` is random. */
function x86Mappings(info: Vmcoreinfo, read: ReadPhysical): readonly KernelMapping[] {
  const physBase = info.number("NUMBER(phys_base)");
  if (physBase === null) return [];
  const ofImage: Translate = (address) =>
    address >= START_KERNEL_MAP && address < X86_TEXT_END
      ? wrapped(address - START_KERNEL_MAP + physBase)
      : null;
  const symbol = ["init_top_pgt", "init_level4_pgt", "swapper_pg_dir"]
    .map((name) => info.symbol(name))
    .find((address) => address !== null);
  const top = symbol === undefined || symbol === null ? null : ofImage(symbol);
  if (top === null) return [linear(ofImage)];
  const levels = info.number("NUMBER(pgtable_l5_enabled)") ? 5 : 4;
  // Memory encryption (SME) marks entries with one of the address bits.
  const frameMask = X86_FRAME_MASK & ~(info.number("NUMBER(sme_mask)") ?? 0n);
  const tables = { read, top, levels, frameMask } as const;
  const byTables: Translate = (address) => walkX86PageTables(tables, address);
  return [linear(ofImage), { physicalOf: byTables, byPage: true }];
}

/** [linux arch/arm64/include/asm/memory.h __virt_to_phys_nodebug] */
function arm64Mappings(info: Vmcoreinfo): readonly KernelMapping[] {
  const vaBits = info.number("NUMBER(VA_BITS)");
  const physOffset = info.number("NUMBER(PHYS_OFFSET)");
  const imageOffset = info.number("NUMBER(kimage_voffset)");
  if (vaBits === null || vaBits < 32n || vaBits > 56n) return [];
  // With 52-bit as with 48-bit addresses, the image is in the upper half of the 48-bit range.
  const upperHalf = wrapped(-(1n << ((vaBits > 48n ? 48n : vaBits) - 1n)));
  const inImage = ["_stext", "swapper_pg_dir", "prb", "log_buf"]
    .map((name) => info.symbol(name))
    .find((address) => address !== null);
  // Since Linux 5.4, the linear map is below the image.
  const isLinearBelow = (inImage ?? upperHalf) >= upperHalf;
  const isLinear = (address: bigint) => address < upperHalf === isLinearBelow;
  const mappings: KernelMapping[] = [];
  if (imageOffset !== null) {
    mappings.push(
      linear((tagged) => {
        const address = untagged(tagged);
        return isLinear(address) ? null : wrapped(address - imageOffset);
      }),
    );
  }
  if (physOffset === null) return mappings;
  // Linux 5.4 to 5.10 compute the start of the linear map from the hardware's address bits
  // (TCR_EL1.T1SZ), later kernels from VA_BITS.
  const hardwareBits = 64n - (info.number("NUMBER(TCR_EL1_T1SZ)") ?? 64n - vaBits);
  for (const bits of new Set([vaBits, hardwareBits])) {
    const pageOffset = -(1n << (isLinearBelow ? bits : bits - 1n));
    mappings.push(
      linear((tagged) => {
        const address = untagged(tagged);
        return isLinear(address) ? wrapped(address - pageOffset + physOffset) : null;
      }),
    );
  }
  return mappings;
}

/** The address without KASAN's tag in its highest byte.
 * [linux arch/arm64/include/asm/memory.h __tag_reset] */
function untagged(address: bigint): bigint {
  return wrapped(BigInt.asIntN(56, address));
}

/** Maps the image; all else is in the direct mapping. [linux arch/riscv/include/asm/page.h] */
function riscvMappings(info: Vmcoreinfo): readonly KernelMapping[] {
  const link = info.hex("NUMBER(KERNEL_LINK_ADDR)");
  const offset = info.hex("NUMBER(va_kernel_pa_offset)");
  if (link === null || offset === null) return [];
  return [linear((address) => (address >= link ? wrapped(address - offset) : null))];
}

/** kexec-tools' translation, by PAGE_OFFSET and the physical offset, whatever the machine is. */
function directMapping(info: Vmcoreinfo): readonly KernelMapping[] {
  const pageOffset = info.hex("NUMBER(PAGE_OFFSET)");
  const physOffset = info.number("NUMBER(phys_ram_base)") ?? info.number("NUMBER(PHYS_OFFSET)");
  if (pageOffset === null || physOffset === null) return [];
  return [
    linear((address) => (address < pageOffset ? null : wrapped(address - pageOffset + physOffset))),
  ];
}
