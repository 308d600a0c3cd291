/** Takes memory for the initrd of an x86 Linux kernel of every image type. */

import { MIB } from "../../../core/address.ts";
import type { PlanContext } from "../../../model/image-type.ts";
import type { Segment } from "../../../model/load-plan.ts";

/** The next kernel's page tables and real-mode trampolines lie below this. */
const LOWEST_INITRD = 16n * MIB;

/** The end of the memory in which the kernel can read its initrd, and the reason for it. */
export interface InitrdLimit {
  /** One past its highest address. */
  readonly max: bigint;
  /** Appended to the segment's reason; may be empty. */
  readonly why: string;
  /** What sets `max`, for errors; undefined: nothing does. */
  readonly maxFrom?: string | undefined;
}

/** Takes memory for the initrd below `limit`; null: there is none, or it is empty. */
export function placeInitrd(
  context: PlanContext,
  { max, why, maxFrom }: InitrdLimit,
): Segment | null {
  const { initrd } = context.inputs;
  if (initrd === null || initrd.bytes.length === 0) return null;
  const reason = `the highest free place${why}`;
  return context.put({
    ...{ role: "initrd", bytes: initrd.bytes, min: LOWEST_INITRD, max, maxFrom, reason },
    minFrom: "16 MiB, below which the next kernel starts",
  });
}
