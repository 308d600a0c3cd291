/** A picture of physical memory with the segments in it; plain ASCII for serial consoles. */

import { hex, humanSize } from "../core/address.ts";
import { byStart, outsideOf, type Range, rangeOf } from "../core/range.ts";
import type { HostFacts, MemoryMap } from "../model/host-facts.ts";
import type { SegmentPlan } from "../model/load-plan.ts";
import { purposeOf } from "./purpose/index.ts";

interface Row extends Range {
  readonly what: string;
  readonly mark: string;
}

/** Fill characters: segments stand out, free RAM is light, all else is blank. */
const MARK = { segment: "#", free: ".", other: " " } as const;
const BAR = 8;

/** The names of the sources of a memory map, for people. */
export const MEMORY_MAP_SOURCE: Readonly<Record<MemoryMap["source"], string>> = {
  "firmware-memmap": "/sys/firmware/memmap",
  iomem: "/proc/iomem",
  xen: "Xen's machine memory map",
};

/**
 * Lines from the lowest to the highest address: one for each segment and for each stretch of RAM or
 * other memory between.
 */
export function memoryPicture(plan: SegmentPlan, facts: HostFacts): string[] {
  const segments: Row[] = plan.segments.map((s) => ({
    ...rangeOf(s),
    what: s.role,
    mark: MARK.segment,
  }));
  const outside = outsideOf(segments);
  const map: Row[] = purposeOf(plan.purpose)
    .memoryPieces(facts)
    .flatMap((r) =>
      outside(r).map(({ start, end }) => ({
        start,
        end,
        what: r.what,
        mark: r.what === "free" ? MARK.free : MARK.other,
      })),
    );
  const rows = [...segments, ...map].sort(byStart);
  const width = rows.reduce((most, row) => Math.max(most, hex(row.end).length), 0);
  const source = MEMORY_MAP_SOURCE[facts.memoryMap?.source ?? "iomem"];
  return [
    `memory map from ${source} (# segment, . free RAM):`,
    ...rows.map(
      ({ start, end, what, mark }) =>
        `  ${hex(start).padStart(width)}  |${mark.repeat(BAR)}|  ${what.padEnd(12)}  ` +
        humanSize(end - start),
    ),
  ];
}
