/** The RAM for segments of images without reserved memory: all but crash kernels. Pure. */

import { alignDown, alignUp, humanSize } from "../../core/address.ts";
import { ExitStatus, fail } from "../../core/error.ts";
import {
  common,
  intersect,
  isEmpty,
  normalize,
  type Range,
  subtract,
  totalSize,
} from "../../core/range.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import type { LoadRequest } from "../../model/request.ts";
import { memoryMapNotes } from "../memory-map-notes.ts";
import { memoryWindow } from "../memory-window.ts";

const ramOf = ({ memoryMap }: HostFacts): Range[] =>
  normalize((memoryMap?.ranges ?? []).filter(({ type }) => type === "ram"));

/** Linux always reserves this page for the BIOS, so that it is never "System RAM"; it may be free
 * all the same. [linux arch/x86/kernel/setup.c trim_bios_range] */
const PAGE_OF_THE_BIOS: Range = { start: 0n, end: 4096n };

/** Memory that is RAM for the firmware and for the running kernel. */
function systemRam(facts: HostFacts): Range[] {
  const ram = ramOf(facts);
  return facts.systemRam === null ? ram : common(ram, [PAGE_OF_THE_BIOS, ...facts.systemRam]);
}

/** KHO's scratch areas, and the kept memory that is known. */
const khoMemory = ({ kho }: HostFacts): Range[] =>
  kho === null ? [] : [...(kho.scratch ?? []), ...kho.kept];

/**
 * RAM that segments may go to, sorted and disjoint. It is RAM for the firmware, and "System RAM"
 * for the running kernel, which may keep data in memory that has another name. Where the latter is
 * not known, the firmware's map alone counts, and under Xen the hypervisor's. KHO's memory is left
 * out.
 */
export const freeRam = (facts: HostFacts): Range[] => subtract(systemRam(facts), khoMemory(facts));

/** The whole pages in `ranges`: parts of pages are never used, so they need no message. */
function wholePages(ranges: readonly Range[], facts: HostFacts): Range[] {
  const page = BigInt(facts.pageSize);
  return ranges
    .map(({ start, end }) => ({ start: alignUp(start, page), end: alignDown(end, page) }))
    .filter((r) => !isEmpty(r));
}

/** RAM of the firmware's map that gets no segments, in whole pages. */
export const keptRam = (facts: HostFacts): Range[] =>
  wholePages(subtract(ramOf(facts), freeRam(facts)), facts);

/** A sentence where RAM gets no segments, or where it is unknown whether it may get some. */
export const freeRamNotes = (facts: HostFacts): string[] => [
  ...systemRamNotes(facts),
  ...khoNotes(facts),
];

function systemRamNotes(facts: HostFacts): string[] {
  if (facts.systemRam === null) {
    if (facts.memoryMap?.source !== "firmware-memmap") return [];
    return [
      "segments may lie in memory that the running kernel reserves: /proc/iomem, which has its " +
        "System RAM, cannot be read",
    ];
  }
  const size = totalSize(wholePages(subtract(ramOf(facts), systemRam(facts)), facts));
  if (size === 0n) return [];
  return [
    `${humanSize(size)} of the firmware's RAM get no segments: they are not System RAM of the ` +
      "running kernel",
  ];
}

const UNKNOWN_PAGES = "no file lists the other pages that the running kernel keeps";

function khoNotes(facts: HostFacts): string[] {
  const { kho } = facts;
  if (kho === null) return [];
  if (kho.scratch === null) {
    return ["KHO is on, but its scratch areas are unknown: is debugfs mounted?"];
  }
  const size = humanSize(totalSize(normalize(khoMemory(facts))));
  return [
    `KHO is on: ${size} of its scratch areas and of reserve_mem= get no segments; ${UNKNOWN_PAGES}`,
  ];
}

/** A sentence for the error of a segment that does not fit; empty where KHO is off. */
export const khoRemark = ({ kho }: HostFacts): string =>
  kho === null ? "" : "KHO's scratch areas get no segments; kexec_file_load (-s) uses them.";

/** A sentence where kexec_load does not hand over the memory that KHO keeps. */
export function khoWarnings({ kho }: HostFacts): string[] {
  if (kho === null) return [];
  return [
    "kexec handover (KHO) is on, and kexec_load (-c) does not hand over the memory that the running " +
      "kernel keeps for the next one: use kexec_file_load (-s)",
  ];
}

/**
 * Free RAM between `--mem-min` and `--mem-max`, sorted and disjoint.
 * @throws KexecError `facts.memory-map` where there is no memory map
 */
export function usableMemory(request: LoadRequest, facts: HostFacts): Range[] {
  if (facts.memoryMap === null || facts.memoryMap.ranges.length === 0) {
    return fail({
      code: "facts.memory-map",
      message: "Could not get memory layout",
      hint:
        memoryMapNotes(facts).join("\n") ||
        "Neither /sys/firmware/memmap nor /proc/iomem could be read.",
      exitStatus: ExitStatus.failed,
    });
  }
  const window = memoryWindow(request);
  return freeRam(facts)
    .map((r) => intersect(r, window))
    .filter((r) => !isEmpty(r));
}
