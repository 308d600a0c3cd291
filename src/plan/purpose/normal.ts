/**
 * An image that replaces the running kernel, or with `--load-live-update` the running hypervisor:
 * it needs nothing besides itself, and gets all memory that there is. Pure.
 */

import type { HostFacts } from "../../model/host-facts.ts";
import type { LoadRequest } from "../../model/request.ts";
import { memoryBounds } from "../memory-window.ts";
import type { FilePurpose, MemoryPiece, Purpose, PurposePlan, SegmentPurpose } from "./purpose.ts";
import { usableMemory } from "./usable-memory.ts";

function forSegments(request: LoadRequest, facts: HostFacts): SegmentPurpose {
  return {
    destinations: usableMemory(request, facts),
    placer: {
      ...{ preferred: facts.segmentRules.guestOwned, remark: "" },
      bounds: memoryBounds(request),
    },
    planForPurpose: (): PurposePlan => ({
      segments: [],
      backup: null,
      memory: facts.memoryMap?.ranges ?? [],
      parameters: [],
      hotplug: false,
      notes: [],
    }),
    preservedSegments: () => [],
    warnings: () => [],
  };
}

/** kexec_file_load does for an ordinary kernel all that there is to do. */
export const ORDINARY_FILES: FilePurpose = {
  refusal: null,
  addedByKernel: 0,
  notes: [],
  warnings: () => [],
};

/** All RAM is free for segments. */
export function ordinaryPieces({ memoryMap }: HostFacts): MemoryPiece[] {
  const ranges = memoryMap?.ranges ?? [];
  return ranges.map((r) => ({ ...r, what: r.type === "ram" ? "free" : r.type }));
}

/** What messages call RAM between `--mem-min` and `--mem-max`. */
export const USABLE_RAM =
  "RAM that may be used (see --mem-min, --mem-max and the memory map in --dry-run)";

export const normal: Purpose = {
  name: "normal",
  capture: false,
  ownsMachine: true,
  jumpsBack: false,
  notReused: [],
  forSegments,
  forFiles: () => ORDINARY_FILES,
  memoryPieces: ordinaryPieces,
  destinationName: () => USABLE_RAM,
};

/** The next hypervisor finds the guests of the running one in memory. */
export const liveUpdate: Purpose = { ...normal, name: "live-update", ownsMachine: false };
