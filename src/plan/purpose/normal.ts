/**
 * An image that replaces the running kernel, or with `--load-live-update` the running hypervisor.
 * It needs no segments of its purpose, and gets the machine's whole memory map. Pure.
 */

import { insideOf, outsideOf } from "../../core/range.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import type { LoadRequest } from "../../model/request.ts";
import { memoryBounds } from "../memory-window.ts";
import type { FilePurpose, MemoryPiece, Purpose, PurposePlan, SegmentPurpose } from "./purpose.ts";
import { freeRamNotes, keptRam, khoRemark, khoWarnings, usableMemory } from "./usable-memory.ts";

function forSegments(request: LoadRequest, facts: HostFacts): SegmentPurpose {
  return {
    destinations: usableMemory(request, facts),
    placer: {
      ...{ preferred: facts.segmentRules.guestOwned, remark: khoRemark(facts) },
      bounds: memoryBounds(request),
    },
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

/** For an ordinary kernel: kexec_file_load adds no kernel parameter, and has nothing to note. */
export const ORDINARY_FILES: FilePurpose = {
  refusal: null,
  addedByKernel: 0,
  notes: [],
  warnings: () => [],
};

/** The memory map for the picture of a plan: RAM is free for segments, unless it is kept RAM. */
export function ordinaryPieces(facts: HostFacts): MemoryPiece[] {
  const ram = keptRam(facts);
  const [free, kept] = [outsideOf(ram), insideOf(ram)];
  return (facts.memoryMap?.ranges ?? []).flatMap((r): MemoryPiece[] => {
    if (r.type !== "ram") return [{ ...r, what: r.type }];
    return [
      ...free(r).map((piece) => ({ ...piece, what: "free" })),
      ...kept(r).map((piece) => ({ ...piece, what: "kept" })),
    ];
  });
}

/** The name in messages of RAM between `--mem-min` and `--mem-max`. */
export const USABLE_RAM = "usable RAM (see --mem-min, --mem-max and the memory map in --dry-run)";

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

/** The guests of the running hypervisor stay in memory: the next one does not own the machine. */
export const liveUpdate: Purpose = { ...normal, name: "live-update", ownsMachine: false };
