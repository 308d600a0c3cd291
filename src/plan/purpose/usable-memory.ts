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

/**
 * RAM that the next kernel may have, sorted and disjoint: it must be RAM for the firmware, and
 * "System RAM" for the running kernel, which keeps something in what it calls otherwise. Where that
 * is not known the firmware's word counts alone, and under Xen the hypervisor's.
 */
export function freeRam(facts: HostFacts): Range[] {
  const ram = ramOf(facts);
  return facts.systemRam === null ? ram : common(ram, [PAGE_OF_THE_BIOS, ...facts.systemRam]);
}

/** RAM for the firmware that is none for the running kernel, in whole pages. */
export function keptRam(facts: HostFacts): Range[] {
  const page = BigInt(facts.pageSize);
  return subtract(ramOf(facts), freeRam(facts))
    .map(({ start, end }) => ({ start: alignUp(start, page), end: alignDown(end, page) }))
    .filter((r) => !isEmpty(r));
}

/** One sentence where RAM is left alone, or where it is not known whether it should be. */
export function freeRamNotes(facts: HostFacts): string[] {
  if (facts.systemRam === null) {
    if (facts.memoryMap?.source !== "firmware-memmap") return [];
    return [
      "places are chosen by the firmware's memory map alone: what the running kernel calls System " +
        "RAM (/proc/iomem) is not known",
    ];
  }
  const size = totalSize(keptRam(facts));
  if (size === 0n) return [];
  return [
    `${humanSize(size)} that the firmware calls RAM are left alone: they are no System RAM for the ` +
      "running kernel",
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
