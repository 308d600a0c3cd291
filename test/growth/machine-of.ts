/** Machines with as many memory ranges, CPUs and EFI descriptors as a test wants. */

import { ADDRESS_END } from "../../src/core/address.ts";
import { ELF64_IDENT, Elf64_Ehdr, Elf64_Phdr, PT_LOAD } from "../../src/core/elf.ts";
import type { Range } from "../../src/core/range.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";
import type { MemoryRange } from "../../src/model/memory.ts";
import type { Files } from "../edge/linux/fake-machine.ts";
import { machine } from "../plan/golden.ts";

/** Where the made ranges begin, and the distance from one to the next: the recorded machine's own
 * memory lies below. */
const START = 1n << 32n;
const STEP = 1n << 20n;
/** EFI_MEMORY_RUNTIME. [uefi §7.2] */
const RUNTIME = 1n << 63n;

const numbers = (count: number): bigint[] => Array.from({ length: count }, (_, i) => BigInt(i));
const at = (i: bigint): bigint => START + i * STEP;

/** `count` ranges, of RAM and of other types in turns. */
export const rangesOf = (count: number): MemoryRange[] =>
  numbers(count).map((i) => {
    const type = i % 2n === 0n ? "ram" : i % 4n === 1n ? "acpi" : "reserved";
    return { start: at(i), end: at(i) + STEP - 0x1000n, type };
  });

/** A page in each of the RAM ranges. */
const pagesOf = (count: number, page: bigint): Range[] =>
  numbers(count / 2).map((i) => {
    const start = at(2n * i) + page * 0x1000n;
    return { start, end: start + 0x1000n };
  });

const ramOf = (ranges: readonly MemoryRange[]): Range[] =>
  ranges.filter(({ type }) => type === "ram").map(({ start, end }) => ({ start, end }));

/** A recorded UEFI machine with a crash region, and `count` more of everything that can be many. */
export function machineOf(count: number): HostFacts {
  const { crash, efi, memoryMap, ...facts } = machine("qemu-uefi-crash");
  if (crash === null || efi === null || memoryMap === null) throw new Error("no such machine");
  const ranges = [...memoryMap.ranges, ...rangesOf(count)];
  const runtime = pagesOf(count, 8n).map(({ start }) => ({
    ...{ type: 4, physAddr: start, virtAddr: ADDRESS_END - start, numPages: 1n },
    attribute: RUNTIME,
  }));
  return {
    ...facts,
    // Half of it must hold the segments.
    memTotal: 1n << 40n,
    memoryMap: { ...memoryMap, ranges },
    systemRam: [...(facts.systemRam ?? []), ...ramOf(rangesOf(count))],
    kho: { scratch: pagesOf(count, 16n), kept: pagesOf(count, 24n) },
    efi: { ...efi, runtimeMap: [...efi.runtimeMap, ...runtime] },
    crash: { ...crash, memory: ranges, cpuNotes: pagesOf(count, 32n) },
    crashRegions: [...facts.crashRegions].sort((a, b) => (a.start < b.start ? -1 : 1)),
    crashCma: pagesOf(count, 40n),
  };
}

/** A recorded machine with Xen, with `count` ranges more, of which guests own a page each. */
export function xenMachineOf(count: number): HostFacts {
  const { crash, memoryMap, segmentRules, ...facts } = machine("qemu-2g-xen-crash");
  if (crash === null || memoryMap === null) throw new Error("no such machine");
  const ranges = [...memoryMap.ranges, ...rangesOf(count)].toSorted((a, b) =>
    a.start < b.start ? -1 : 1,
  );
  const guestOwned = [...(segmentRules.guestOwned ?? []), ...pagesOf(count, 8n)];
  return {
    ...facts,
    memoryMap: { ...memoryMap, ranges },
    segmentRules: { ...segmentRules, guestOwned },
    crash: { ...crash, memory: ranges, cpuNotes: pagesOf(count, 32n) },
  };
}

const hex = (n: bigint): string => n.toString(16);

/** /proc/iomem with `count` outermost lines, half of them RAM with a line in it. */
function iomemOf(count: number): string {
  const lines = rangesOf(count).flatMap(({ start, end, type }) => {
    const range = `${hex(start)}-${hex(end - 1n)}`;
    if (type !== "ram") return [`${range} : Reserved`];
    return [`${range} : System RAM`, `  ${hex(start)}-${hex(start + 0xfffn)} : Reserved`];
  });
  return ["01000000-01ffffff : System RAM", "  01000000-010fffff : Kernel code", ...lines, ""].join(
    "\n",
  );
}

/** /proc/kcore with a program header for each of `count` mappings. */
function kcoreOf(count: number): Uint8Array {
  const bytes = new Uint8Array(Elf64_Ehdr.size + count * Elf64_Phdr.size);
  const head = { e_ident: ELF64_IDENT, e_phoff: BigInt(Elf64_Ehdr.size) };
  Elf64_Ehdr.write(bytes, { ...head, e_phentsize: Elf64_Phdr.size, e_phnum: count });
  numbers(count).forEach((i, n) => {
    const row = { p_type: PT_LOAD, p_vaddr: 0xffff888000000000n + at(i), p_memsz: 0x1000n };
    Elf64_Phdr.write(bytes, row, Elf64_Ehdr.size + n * Elf64_Phdr.size);
  });
  return bytes;
}

/** The files of a Linux machine that has `count` of everything. */
export function treeOf(count: number): Files {
  const files: Record<string, string | Uint8Array> = {
    "proc/iomem": iomemOf(count),
    "proc/kcore": kcoreOf(count),
    "proc/kallsyms": `${"0000000000000000 A fixed_percpu_data\n".repeat(count)}ffff888100000000 T _stext\n`,
  };
  for (const [i, { start, end }] of rangesOf(count).entries()) {
    const memmap = `sys/firmware/memmap/${i}`;
    files[`${memmap}/start`] = `0x${hex(start)}\n`;
    files[`${memmap}/end`] = `0x${hex(end - 1n)}\n`;
    files[`${memmap}/type`] = "System RAM\n";
    files[`sys/devices/system/cpu/cpu${i}/crash_notes`] = `${hex(start)}\n`;
    const runtime = `sys/firmware/efi/runtime-map/${i}`;
    for (const name of ["type", "phys_addr", "virt_addr", "num_pages", "attribute"]) {
      files[`${runtime}/${name}`] = "0x1\n";
    }
  }
  return files;
}
