/** RAM that the segments of every image but a crash kernel may go to. Pure. */

import { ExitStatus, fail } from "../../core/error.ts";
import { intersect, isEmpty, normalize, type Range } from "../../core/range.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import type { LoadRequest } from "../../model/request.ts";
import { memoryMapNotes } from "../memory-map-notes.ts";
import { memoryWindow } from "../memory-window.ts";

/**
 * RAM of the memory map between `--mem-min` and `--mem-max`, sorted and disjoint.
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
  return normalize(
    facts.memoryMap.ranges
      .filter(({ type }) => type === "ram")
      .map((r) => intersect(r, window))
      .filter((r) => !isEmpty(r)),
  );
}
