/** RAM that segments may go to where nothing is reserved for them. Pure. */

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

/** Linux keeps it for the BIOS, whatever is in it, and never calls it System RAM: that says
 * nothing of it. [linux arch/x86/kernel/setup.c trim_bios_range] */
const PAGE_OF_THE_BIOS: Range = { start: 0n, end: 4096n };

/** What is RAM for the firmware and for the running kernel. */
function systemRam(facts: HostFacts): Range[] {
  const ram = ramOf(facts);
  return facts.systemRam === null ? ram : common(ram, [PAGE_OF_THE_BIOS, ...facts.systemRam]);
}

/** What is known of the memory that KHO hands over, and that it is handed over in. */
const khoMemory = ({ kho }: HostFacts): Range[] =>
  kho === null ? [] : [...(kho.scratch ?? []), ...kho.kept];

/**
 * RAM that the next kernel may have, sorted and disjoint: it must be RAM for the firmware, and
 * "System RAM" for the running kernel, which keeps something in what it calls otherwise. Where that
 * is not known the firmware's word counts alone, and under Xen the hypervisor's. What is known of
 * the memory that KHO hands over is left out, too.
 */
export const freeRam = (facts: HostFacts): Range[] => subtract(systemRam(facts), khoMemory(facts));

/** Whole pages only: of parts of them nothing can be said. */
function wholePages(ranges: readonly Range[], facts: HostFacts): Range[] {
  const page = BigInt(facts.pageSize);
  return ranges
    .map(({ start, end }) => ({ start: alignUp(start, page), end: alignDown(end, page) }))
    .filter((r) => !isEmpty(r));
}

/** RAM for the firmware that segments do not go to, in whole pages. */
export const keptRam = (facts: HostFacts): Range[] =>
  wholePages(subtract(ramOf(facts), freeRam(facts)), facts);

/** A sentence where RAM is left alone, or where it is not known whether it should be. */
export const freeRamNotes = (facts: HostFacts): string[] => [
  ...systemRamNotes(facts),
  ...khoNotes(facts),
];

function systemRamNotes(facts: HostFacts): string[] {
  if (facts.systemRam === null) {
    if (facts.memoryMap?.source !== "firmware-memmap") return [];
    return [
      "places are chosen by the firmware's memory map alone: what the running kernel calls System " +
        "RAM (/proc/iomem) is not known",
    ];
  }
  const size = totalSize(wholePages(subtract(ramOf(facts), systemRam(facts)), facts));
  if (size === 0n) return [];
  return [
    `${humanSize(size)} that the firmware calls RAM are left alone: they are no System RAM for the ` +
      "running kernel",
  ];
}

const UNKNOWN_PAGES = "which other pages the running kernel keeps, no file says";

function khoNotes(facts: HostFacts): string[] {
  const { kho } = facts;
  if (kho === null) return [];
  if (kho.scratch === null) {
    return [`KHO is on; where its scratch areas are is not known: is debugfs mounted?`];
  }
  const size = humanSize(totalSize(normalize(khoMemory(facts))));
  return [
    `KHO is on: ${size} of its scratch areas and of reserve_mem= are left alone; ${UNKNOWN_PAGES}`,
  ];
}

/** A sentence for the error of a segment that finds no room; empty where KHO is off. */
export const khoRemark = ({ kho }: HostFacts): string =>
  kho === null ? "" : "KHO's scratch areas are not used: kexec_file_load (-s) loads into them.";

/** A sentence where kexec_load loses what the running kernel keeps for the next one. */
export function khoWarnings({ kho }: HostFacts): string[] {
  if (kho === null) return [];
  return [
    "kexec handover (KHO) is on: only kexec_file_load (-s) hands over the memory that the running " +
      "kernel keeps for the next one; loaded with kexec_load (-c), the next kernel gets none of it",
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
