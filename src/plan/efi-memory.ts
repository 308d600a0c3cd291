/**
 * RAM that holds what EFI left for every kernel: the memory attributes table, the boot logo and
 * their like. It was the firmware's only until it started the first kernel, and so the machine's
 * memory map has it as RAM; but Linux keeps it, by calling it runtime memory in the map that is
 * passed on. [linux arch/x86/platform/efi/quirks.c efi_reserve_boot_services,
 * efi_arch_mem_reserve]
 */

import { humanSize } from "../core/address.ts";
import { intersect, normalize, type Range, subtract, totalSize } from "../core/range.ts";
import type { HostFacts } from "../model/host-facts.ts";

/** EFI_MEMORY_RUNTIME, and the size of EFI's pages. [uefi §7.2] */
const RUNTIME = 1n << 63n;
const EFI_PAGE = 4096n;

function runtimeMemory({ efi }: HostFacts): Range[] {
  return (efi?.runtimeMap ?? [])
    .filter(({ attribute }) => (attribute & RUNTIME) !== 0n)
    .map(({ physAddr, numPages }) => ({ start: physAddr, end: physAddr + numPages * EFI_PAGE }));
}

/** What of `usable` may be overwritten though the next kernel takes EFI over, and a note of what
 * may not. */
export function withoutEfiMemory(
  usable: readonly Range[],
  facts: HostFacts,
): { readonly free: readonly Range[]; readonly notes: readonly string[] } {
  const kept = runtimeMemory(facts);
  const size = totalSize(normalize(usable.flatMap((r) => kept.map((one) => intersect(r, one)))));
  if (size === 0n) return { free: usable, notes: [] };
  const note = `${humanSize(size)} of RAM hold EFI data for the next kernel and get no segments`;
  return { free: subtract(usable, kept), notes: [note] };
}
