/**
 * A crash kernel, which starts when the running kernel crashes: it lies in the memory that is
 * reserved for it, and reads the crashed kernel's memory from /proc/vmcore. Pure.
 */

import {
  insideOf,
  intersect,
  isEmpty,
  outsideOf,
  type Range,
  showRange,
} from "../../core/range.ts";
import type { Arch } from "../../model/arch.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import type { LoadRequest } from "../../model/request.ts";
import { planCrash } from "../crash/crash-plan.ts";
import { type CrashRegion, requireCrashRegion } from "../crash/crash-region.ts";
import { crashRoomRemark, crashRoomWarnings } from "../crash/crash-room.ts";
import { memoryBounds, memoryWindow } from "../memory-window.ts";
import type { Bounds } from "../placer.ts";
import type { FilePurpose, MemoryPiece, Purpose, SegmentPurpose } from "./purpose.ts";

function crashBounds(request: LoadRequest, { used }: CrashRegion): Bounds {
  const { min, max } = memoryBounds(request);
  const from = `the crash region ${showRange(used)}`;
  return { min: [...min, { at: used.start, from }], max: [...max, { at: used.end, from }] };
}

function forSegments(request: LoadRequest, facts: HostFacts): SegmentPurpose {
  const region = requireCrashRegion(facts);
  const window = memoryWindow(request);
  return {
    destinations: [intersect(region.used, window)].filter((r) => !isEmpty(r)),
    // The host allocates no reserved memory, so that all of it is equally good.
    placer: {
      ...{ preferred: null, remark: crashRoomRemark(region) },
      bounds: crashBounds(request, region),
    },
    planForPurpose: (inputs) => planCrash(request, facts, region, inputs),
    preservedSegments: () => [],
    warnings: (loaded, commandLine) => crashRoomWarnings(region, loaded, commandLine),
  };
}

function fileNotes({ passMemmapCmdline, hotplug }: LoadRequest, headerNote: string): string[] {
  return [
    headerNote,
    ...(passMemmapCmdline
      ? ["--pass-memmap-cmdline has no effect: kexec_file_load builds the memory map itself"]
      : []),
    ...(hotplug
      ? ["--hotplug has no effect: after kexec_file_load the kernel updates elfcorehdr itself"]
      : []),
  ];
}

function forFiles(request: LoadRequest, facts: HostFacts, { crash: rules }: Arch): FilePurpose {
  const region = requireCrashRegion(facts);
  return {
    refusal: null,
    addedByKernel: rules.addedByKernel,
    notes: fileNotes(request, rules.fileNote),
    warnings: (loaded, commandLine) => crashRoomWarnings(region, loaded, commandLine),
  };
}

/** The memory map for the picture of a plan: RAM that is not reserved is "dumped". */
function memoryPieces({ memoryMap, crashRegions }: HostFacts): MemoryPiece[] {
  const [dumped, free] = [outsideOf(crashRegions), insideOf(crashRegions)];
  return (memoryMap?.ranges ?? []).flatMap((r): MemoryPiece[] => {
    if (r.type !== "ram") return [{ ...r, what: r.type }];
    return [
      ...dumped(r).map((piece) => ({ ...piece, what: "dumped" })),
      ...free(r).map((piece) => ({ ...piece, what: "free" })),
    ];
  });
}

const destinationName = (destinations: readonly Range[]): string =>
  `the crash region ${destinations.map(showRange).join(", ")}`;

export const crash: Purpose = {
  name: "crash",
  capture: true,
  ownsMachine: false,
  jumpsBack: false,
  // With crashkernel= the crash kernel would reserve most of its own memory.
  notReused: ["crashkernel"],
  forSegments,
  forFiles,
  memoryPieces,
  destinationName,
};
