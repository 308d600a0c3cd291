/**
 * RAM with EFI's data for every kernel that starts: the memory attributes table, the boot logo and
 * others. It is boot services memory, so that the machine's memory map calls it RAM. Linux reserves
 * it, and marks it as runtime memory in the EFI memory map that it passes on.
 * [linux arch/x86/platform/efi/quirks.c efi_reserve_boot_services, efi_arch_mem_reserve]
 */

import { humanSize } from "../core/address.ts";
import { common, type Range, subtract, totalSize } from "../core/range.ts";
import type { HostFacts } from "../model/host-facts.ts";

/** EFI_MEMORY_RUNTIME, and the size of EFI's pages. [uefi §7.2] */
const RUNTIME = 1n << 63n;
const EFI_PAGE = 4096n;

function runtimeMemory({ efi }: HostFacts): Range[] {
  return (efi?.runtimeMap ?? [])
    .filter(({ attribute }) => (attribute & RUNTIME) !== 0n)
    .map(({ physAddr, numPages }) => ({ start: physAddr, end: physAddr + numPages * EFI_PAGE }));
}

/** The part of `usable` without EFI's data, for a next kernel that takes EFI over, and a note of
 * the size of the other part. */
export function withoutEfiMemory(
  usable: readonly Range[],
  facts: HostFacts,
): { readonly free: readonly Range[]; readonly notes: readonly string[] } {
  const kept = runtimeMemory(facts);
  const size = totalSize(common(usable, kept));
  if (size === 0n) return { free: usable, notes: [] };
  const note = `${humanSize(size)} of RAM hold EFI data for the next kernel and get no segments`;
  return { free: subtract(usable, kept), notes: [note] };
}
