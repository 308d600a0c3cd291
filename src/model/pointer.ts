/** An address that the purgatory or the next kernel gets, in a register or in a structure. */

import type { SegmentPlan, SegmentRole } from "./load-plan.ts";

export interface Pointer {
  /** In words: `the initrd in the boot params`. */
  readonly what: string;
  readonly start: bigint;
  /** Bytes that must be there; at least 1. */
  readonly size: bigint;
  /** One segment of these roles must have all of it; null: any segment. */
  readonly roles: readonly SegmentRole[] | null;
  /** Whether it is memory of the segment that may lie behind its bytes. */
  readonly memoryOnly?: boolean;
}

/** What a plan's segments are looked through for. */
export type PointingPlan = Pick<SegmentPlan, "segments" | "imageType" | "commandLine">;
