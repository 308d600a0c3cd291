/**
 * /proc/iomem: the kernel's tree of physical addresses, one resource for each line, children
 * indented.
 *
 *     00100000-3ffdffff : System RAM
 *       2f000000-36ffffff : Crash kernel
 *
 * In the file, an end is the last address of a resource; here it is the address after it. This file
 * parses all lines, and derives from them the memory maps, the kernel's address and the crash
 * regions.
 */

import { hex } from "../core/address.ts";
import { fail } from "../core/error.ts";
import { byStart, isEmpty, outsideOf, type Range, range, subtract } from "../core/range.ts";
import type { MemoryRange, MemoryType } from "../model/memory.ts";
import { quoted } from "./sysfs-number.ts";

export const IOMEM = "/proc/iomem";

/** A line of /proc/iomem. */
export interface IomemResource extends Range {
  /** As the kernel prints it, byte for byte. */
  readonly name: string;
  /** Number of resources that this one lies in; 0 for the outermost. */
  readonly depth: number;
}

export interface Iomem {
  /** In the order of the file. */
  readonly resources: readonly IomemResource[];
  /** One sentence for each line that was left out. */
  readonly notes: readonly string[];
}

const LINE = /^([ \t]*)(?:0[xX])?([0-9a-fA-F]+)-(?:0[xX])?([0-9a-fA-F]+)[ \t]*:[ \t]*(.*)$/;

function parseAddress(digits: string, line: number): bigint {
  const value = BigInt(`0x${digits}`);
  if (value >> 64n === 0n) return value;
  return fail({
    code: "facts.iomem",
    message: `${IOMEM} line ${line}: 0x${digits} is not an address of 64 bits`,
  });
}

/** Turns the widths of indents into depths, whatever the width of a step is. */
function depthOf(indent: number, indents: number[]): number {
  while ((indents.at(-1) ?? -1) >= indent) indents.pop();
  indents.push(indent);
  return indents.length - 1;
}

/**
 * Parses all lines. Lines of another form, and ranges that end before they begin, are left out
 * with a note, as kexec-tools leaves them out.
 * @throws KexecError `facts.iomem-hidden` where every address is zero, which is what the kernel
 *   shows to a process without CAP_SYS_ADMIN; `facts.iomem` where no line is a resource, or an
 *   address has more than 64 bits
 */
export function parseIomem(text: string): Iomem {
  const resources: IomemResource[] = [];
  const notes: string[] = [];
  const indents: number[] = [];
  let visible = false;
  let number = 0;
  for (const line of text.split("\n")) {
    number += 1;
    if (line === "") continue;
    const [, indent, first, last, name] = LINE.exec(line) ?? [];
    if (indent === undefined || first === undefined || last === undefined) {
      notes.push(`${IOMEM} line ${number} is not a resource and is ignored: ${quoted(line)}.`);
      continue;
    }
    const start = parseAddress(first, number);
    const end = parseAddress(last, number) + 1n;
    const depth = depthOf(indent.length, indents);
    visible ||= start !== 0n || end !== 1n;
    if (end < start) {
      notes.push(`${IOMEM} line ${number} ends before it begins and is ignored: ${quoted(line)}.`);
    } else resources.push({ start, end, name: name ?? "", depth });
  }
  if (resources.length === 0) {
    fail({
      code: "facts.iomem",
      message: `${IOMEM}: no line has the form "START-END : NAME"`,
    });
  }
  if (!visible) {
    fail({
      code: "facts.iomem-hidden",
      message: `${IOMEM}: all addresses are zero, which hides where memory is`,
      hint: "The kernel shows the addresses only to root (CAP_SYS_ADMIN).",
    });
  }
  return { resources, notes };
}

/** The type that a line with this name has in a memory map; null where it is not memory.
 * [linux arch/x86/kernel/e820.c e820_type_to_string] */
function memoryType(name: string): MemoryType | null {
  switch (name) {
    case "System RAM":
      return "ram";
    case "ACPI Tables":
      return "acpi";
    case "ACPI Non-volatile Storage":
      return "acpi-nvs";
    case "Unusable memory":
      return "unusable";
    case "Soft Reserved":
      return "soft-reserved";
    case "Unknown E820 type":
      return "reserved";
    case "Persistent Memory (legacy)":
      return "pram";
    case "Persistent Memory":
      return "pmem";
    default:
      return /^reserved$/i.test(name) ? "reserved" : null;
  }
}

/**
 * The memory map of an x86 machine: lines of every depth whose name is exactly one of those that
 * the kernel has for the firmware's types ("reserved" in any case). "System RAM (kmem)" and the
 * like are not among them: the firmware did not call that memory RAM. Sorted; a reserved line may
 * lie inside another.
 */
export function iomemMemoryRanges(resources: readonly IomemResource[]): MemoryRange[] {
  const ranges: MemoryRange[] = [];
  for (const { start, end, name } of resources) {
    const type = end > start ? memoryType(name) : null;
    if (type !== null) ranges.push({ start, end, type });
  }
  return ranges.sort(byStart);
}

/**
 * The memory ranges for a crash dump of an x86 machine: RAM under every name, since the running
 * kernel also uses "System RAM (kmem)" and "System RAM (virtio_mem)", and the other types of
 * memory, which the crash kernel has to know. RAM under a graphics aperture (GART) is left out.
 * Sorted. [kexec-tools]
 *
 * Soft-reserved memory is left out, as kexec_file_load leaves it out: a driver of the crash kernel
 * would use it as RAM and overwrite memory that is to be dumped.
 * [linux arch/x86/kernel/crash.c crash_setup_memmap_entries]
 */
export function iomemDumpRanges(resources: readonly IomemResource[]): MemoryRange[] {
  const outside = outsideOf(resources.filter(({ name }) => name === "GART"));
  const ranges = resources.flatMap(({ start, end, name }): MemoryRange[] => {
    if (end <= start) return [];
    const type = name.includes("System RAM") ? "ram" : memoryType(name);
    if (type === null || type === "soft-reserved") return [];
    return outside({ start, end }).map((r) => ({ ...r, type }));
  });
  return ranges.sort(byStart);
}

/** The physical address of the running kernel's code; null where the file does not show it. */
export function iomemKernelCode(resources: readonly IomemResource[]): bigint | null {
  return resources.find(({ name }) => name === "Kernel code")?.start ?? null;
}

/**
 * The memory map of an arm64 machine: System RAM without the resources inside it, except the
 * running kernel, which may be overwritten. The device tree describes all other memory, so only RAM
 * is listed. [kexec-tools]
 */
export function iomemUsableRam(resources: readonly IomemResource[]): MemoryRange[] {
  const ram: Range[] = [];
  const taken: Range[] = [];
  let ramDepth = Number.POSITIVE_INFINITY;
  for (const resource of resources) {
    if (resource.depth <= ramDepth) ramDepth = Number.POSITIVE_INFINITY;
    if (resource.name === "System RAM") {
      ram.push(resource);
      ramDepth = Math.min(ramDepth, resource.depth);
    } else if (resource.depth > ramDepth && !/^Kernel (code|data)$/.test(resource.name)) {
      taken.push(resource);
    }
  }
  return subtract(ram, taken).map((r) => ({ ...r, type: "ram" }));
}

/** What may lie in System RAM and is free for the next kernel: the running one, which is not needed
 * once the purgatory runs, and the crash kernel's memory: the next kernel reserves its own. */
const FREE_INSIDE = /^(?:Kernel (?:code|rodata|data|bss)|Crash kernel)$/;

/**
 * What the running kernel uses as RAM and the next one may overwrite: the outermost lines whose
 * name is exactly "System RAM", without what lies in them, the running kernel and the crash
 * kernel's memory aside. So it has neither what `memmap=`, `mem=` or a driver took away (persistent
 * memory, a ramoops record, "Reserved"), nor memory of a special purpose that a driver gave back
 * ("System RAM (kmem)").
 *
 * kexec_file_load takes the same lines (IORESOURCE_SYSTEM_RAM, busy, not managed by a driver), and
 * looks at nothing inside them; here what somebody put there by name stays, too.
 * [linux kernel/kexec_file.c locate_mem_hole_callback]
 * [linux kernel/resource.c walk_system_ram_res]
 */
export function iomemSystemRam(resources: readonly IomemResource[]): Range[] {
  const ram: Range[] = [];
  const taken: Range[] = [];
  let inside = false;
  for (const resource of resources) {
    if (resource.depth === 0) {
      inside = resource.name === "System RAM";
      if (inside) ram.push(resource);
    } else if (inside && !FREE_INSIDE.test(resource.name)) taken.push(resource);
  }
  return subtract(ram, taken);
}

/** The memory that crashkernel= reserved, sorted; empty where nothing is reserved. */
export function iomemCrashRegions(resources: readonly IomemResource[]): Range[] {
  return resources
    .filter((r) => r.name === "Crash kernel" && !isEmpty(r))
    .map(({ start, end }) => range(start, end))
    .sort(byStart);
}

/** A line as messages show it: `0x100000-0x3ffdffff : System RAM`. */
export function showResource(resource: IomemResource): string {
  return `${hex(resource.start)}-${hex(resource.end - 1n)} : ${resource.name}`;
}
