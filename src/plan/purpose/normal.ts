/**
 * An image that replaces the running kernel, or with `--load-live-update` the running hypervisor:
 * it needs nothing besides itself, and gets all memory that there is. Pure.
 */

import { subtract } from "../../core/range.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import type { LoadRequest } from "../../model/request.ts";
import type { FilePurpose, MemoryPiece, Purpose, PurposePlan, SegmentPurpose } from "./purpose.ts";
import { freeRamNotes, keptRam, khoRemark, khoWarnings, usableMemory } from "./usable-memory.ts";

function forSegments(request: LoadRequest, facts: HostFacts): SegmentPurpose {
  return {
    destinations: usableMemory(request, facts),
    placer: { preferred: facts.segmentRules.guestOwned, remark: khoRemark(facts) },
    planForPurpose: (): PurposePlan => ({
      segments: [],
      backup: null,
      memory: facts.memoryMap?.ranges ?? [],
      parameters: [],
      hotplug: false,
      notes: freeRamNotes(facts),
    }),
    preservedSegments: () => [],
    warnings: () => khoWarnings(facts),
  };
}

/** kexec_file_load does for an ordinary kernel all that there is to do. */
export const ORDINARY_FILES: FilePurpose = {
  refusal: null,
  addedByKernel: 0,
  notes: [],
  warnings: () => [],
};

/** RAM is free for segments, but for what the running kernel keeps. */
export function ordinaryPieces(facts: HostFacts): MemoryPiece[] {
  const kept = keptRam(facts);
  return (facts.memoryMap?.ranges ?? []).flatMap((r): MemoryPiece[] => {
    if (r.type !== "ram") return [{ ...r, what: r.type }];
    const free = subtract([r], kept);
    return [
      ...free.map((piece) => ({ ...piece, what: "free" })),
      ...subtract([r], free).map((piece) => ({ ...piece, what: "kept" })),
    ];
  });
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
