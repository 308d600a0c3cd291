/** A picture of physical memory with the segments in it; plain ASCII for serial consoles. */

import { hex, humanSize } from "../core/address.ts";
import { byStart, type Range, rangeOf, subtract } from "../core/range.ts";
import type { HostFacts, MemoryMap } from "../model/host-facts.ts";
import type { SegmentPlan } from "../model/load-plan.ts";

interface Row extends Range {
  readonly what: string;
  readonly mark: string;
}

/** Fill characters: segments stand out, free RAM is light, all else is blank. */
const MARK = { segment: "#", free: ".", other: " " } as const;
const BAR = 8;

/** What the source of a memory map is called. */
export const MEMORY_MAP_SOURCE: Readonly<Record<MemoryMap["source"], string>> = {
  "firmware-memmap": "/sys/firmware/memmap",
  iomem: "/proc/iomem",
  xen: "Xen's machine memory map",
};

type Piece = Range & { readonly what: string };

/** RAM that the plan's segments may go to, and other memory by its use. For a crash kernel, RAM
 * that is not reserved belongs to the system that is to be dumped. */
function mapOf(plan: SegmentPlan, facts: HostFacts): Piece[] {
  const ranges = facts.memoryMap?.ranges ?? [];
  if (plan.purpose !== "crash") {
    return ranges.map((r) => ({ ...r, what: r.type === "ram" ? "free" : r.type }));
  }
  return ranges.flatMap((r): Piece[] => {
    if (r.type !== "ram") return [{ ...r, what: r.type }];
    const dumped = subtract([r], facts.crashRegions);
    return [
      ...dumped.map((piece) => ({ ...piece, what: "dumped" })),
      ...subtract([r], dumped).map((piece) => ({ ...piece, what: "free" })),
    ];
  });
}

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
  const map: Row[] = mapOf(plan, facts).flatMap((r) =>
    subtract([r], segments).map(({ start, end }) => ({
      start,
      end,
      what: r.what,
      mark: r.what === "free" ? MARK.free : MARK.other,
    })),
  );
  const rows = [...segments, ...map].sort(byStart);
  const width = rows.reduce((most, row) => Math.max(most, hex(row.end).length), 0);
  return [
    `memory by ${MEMORY_MAP_SOURCE[facts.memoryMap?.source ?? "iomem"]} (# segment, . free RAM):`,
    ...rows.map(
      ({ start, end, what, mark }) =>
        `  ${hex(start).padStart(width)}  |${mark.repeat(BAR)}|  ${what.padEnd(12)}  ` +
        humanSize(end - start),
    ),
  ];
}
