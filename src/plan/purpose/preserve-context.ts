/**
 * A kernel that gives the machine back to the running kernel (`--load-preserve-context`). It uses
 * only memory between `--mem-min` and `--mem-max`, and finds the rest of the running kernel's
 * memory in /proc/vmcore. Pure.
 *
 * All memory that it may use is in segments. The running kernel swaps the segments' memory with
 * their contents when it starts the next kernel, and back when that one jumps back. [linux
 * kernel/kexec_core.c kernel_kexec] [linux arch/x86/kernel/relocate_kernel_64.S swap_pages]
 */

import { alignDown, alignUp, hex, humanSize } from "../../core/address.ts";
import { ExitStatus, fail } from "../../core/error.ts";
import {
  byStart,
  insideOf,
  intersect,
  isEmpty,
  overlaps,
  type Range,
  rangeOf,
  showRange,
  subtract,
} from "../../core/range.ts";
import type { CrashFacts, HostFacts, KernelText } from "../../model/host-facts.ts";
import type { Segment } from "../../model/load-plan.ts";
import type { MemoryRange } from "../../model/memory.ts";
import type { LoadRequest } from "../../model/request.ts";
import { crashMemory, crashParameters, putCoreHeader } from "../crash/crash-plan.ts";
import { crashFacts, dumpedMemory } from "../crash/dumped-memory.ts";
import { memoryBounds, memoryWindow } from "../memory-window.ts";
import { ORDINARY_FILES, ordinaryPieces, USABLE_RAM } from "./normal.ts";
import type { Purpose, PurposeInputs, PurposePlan, SegmentPurpose } from "./purpose.ts";
import { freeRamNotes, usableMemory } from "./usable-memory.ts";

const NO_BYTES = new Uint8Array(0);

/**
 * RAM for the next kernel, without `low`. RAM that is not free is in no segment, so that the kernel
 * does not swap it: the running kernel would not get it back.
 * @throws KexecError `plan.mem-max`
 */
function ownMemory(
  ram: readonly Range[],
  low: Range | null,
  request: LoadRequest,
  facts: HostFacts,
): Range[] {
  const free = insideOf(usableMemory(request, facts));
  const own = ram.filter((r) => r.start !== low?.start).flatMap(free);
  if (own.length > 0) return own;
  return fail({
    code: "plan.mem-max",
    message: `Too small mem_max: ${hex(request.memMax)}.\nCannot load ${request.kernel}`,
    hint: "There is no RAM for the next kernel between --mem-min and --mem-max.",
    exitStatus: ExitStatus.failed,
  });
}

/**
 * The crash facts without those in `window`: that memory is swapped, and has the next kernel's own
 * contents while the next kernel runs.
 */
function unswapped(crash: CrashFacts, window: Range): CrashFacts {
  const { vmcoreinfo, kernelText } = crash;
  const textOf = ({ physical, size }: KernelText) => ({ start: physical, end: physical + size });
  const stays = (r: Range) => !overlaps(r, window);
  return {
    ...crash,
    cpuNotes: crash.cpuNotes.filter(stays),
    vmcoreinfo: vmcoreinfo !== null && stays(vmcoreinfo) ? vmcoreinfo : null,
    kernelText: kernelText !== null && stays(textOf(kernelText)) ? kernelText : null,
  };
}

/**
 * Plans what the next kernel needs besides its image.
 * @throws KexecError `facts.crash`, `plan.mem-max`, `plan.no-room`
 */
function planForPurpose(
  request: LoadRequest,
  facts: HostFacts,
  inputs: PurposeInputs,
): PurposePlan {
  const window = memoryWindow(request);
  const known = crashFacts(facts, request.kernel);
  const { ram, saved } = dumpedMemory(known, [], inputs.arch.crash.lowMemoryEnd);
  const own = ownMemory(ram, saved, request, facts);
  const lowest = saved === null ? null : intersect(saved, window);
  const low = lowest === null || isEmpty(lowest) ? null : lowest;
  const kept = subtract(ram, [window]);
  const crash = unswapped(known, window);
  // Without notes in the core header Linux prints a warning and provides no /proc/vmcore.
  const reason = "describes the running kernel's memory for /proc/vmcore";
  const plan = { crash, ram: kept, moved: null, hotplug: false, reason };
  const header = crash.vmcoreinfo === null ? null : putCoreHeader(facts, plan, inputs);
  const segments = header === null ? [] : [header];
  const others = crashMemory(known.memory, own, segments, low);
  // The entry to jump back to is in a page of `kept`. The next kernel must not use that page, but
  // must have it mapped as it jumps. As "acpi" it is: of memory that is not RAM, the next kernel
  // maps only ACPI tables then. [linux machine_kexec_64.c map_acpi_tables]
  const preserved = kept.map((r): MemoryRange => ({ ...r, type: "acpi" }));
  const memory = [...others, ...preserved].sort(byStart);
  return {
    segments,
    backup: null,
    memory: request.passMemmapCmdline ? (facts.memoryMap?.ranges ?? []) : memory,
    parameters: crashParameters(inputs, request, facts, {
      elfcorehdr: header?.start ?? null,
      usable: low === null ? own : [low, ...own],
      memory,
    }),
    hotplug: false,
    notes: [
      ...freeRamNotes(facts),
      `the running kernel is preserved: the next one gets ${own.map(showRange).join(" and ")}`,
      "kexec_jump_back_entry= on its command line gives the --entry for --load-jump-back-helper",
      ...(header === null
        ? ["the next kernel has no /proc/vmcore: this kernel's vmcoreinfo is swapped out"]
        : []),
    ],
  };
}

/**
 * Segments without bytes for all RAM that the next kernel may use and that `segments` do not cover.
 * @param usable RAM between `--mem-min` and `--mem-max`
 */
function preservedSegments(
  segments: readonly Segment[],
  usable: readonly Range[],
  page: bigint,
): Segment[] {
  return subtract(usable, segments.map(rangeOf))
    .map(({ start, end }) => ({ start: alignUp(start, page), end: alignDown(end, page) }))
    .filter((r) => !isEmpty(r))
    .map(({ start, end }) => ({
      role: "preserved",
      start,
      size: end - start,
      bytes: NO_BYTES,
      digest: null,
      reason: `${humanSize(end - start)} of the running kernel, swapped back when it continues`,
    }));
}

function forSegments(request: LoadRequest, facts: HostFacts): SegmentPurpose {
  const destinations = usableMemory(request, facts);
  return {
    destinations,
    placer: {
      ...{ preferred: facts.segmentRules.guestOwned, remark: "" },
      bounds: memoryBounds(request),
    },
    planForPurpose: (inputs) => planForPurpose(request, facts, inputs),
    preservedSegments: (loaded) => preservedSegments(loaded, destinations, BigInt(facts.pageSize)),
    warnings: () => [],
  };
}

export const preserveContext: Purpose = {
  name: "preserve-context",
  capture: false,
  ownsMachine: false,
  jumpsBack: true,
  notReused: [],
  forSegments,
  forFiles: () => ({
    ...ORDINARY_FILES,
    refusal: "kexec_file_load does not support --load-preserve-context",
  }),
  memoryPieces: ordinaryPieces,
  destinationName: () => USABLE_RAM,
};
