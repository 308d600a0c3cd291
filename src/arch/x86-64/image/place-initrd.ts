/** Takes memory for the initrd of an x86 Linux kernel, whatever file the kernel came in. */

import { MIB } from "../../../core/address.ts";
import type { PlanContext } from "../../../model/image-type.ts";
import type { Segment } from "../../../model/load-plan.ts";

/** Page tables and real-mode trampolines of the next kernel are below it. */
const LOWEST_INITRD = 16n * MIB;

/** Where an initrd must end, and what is to be said of that. */
export interface InitrdLimit {
  /** One past its highest address. */
  readonly max: bigint;
  /** Goes on the sentence about its place; may be empty. */
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
  const reason = `the highest place that is free${why}`;
  return context.put({
    ...{ role: "initrd", bytes: initrd.bytes, min: LOWEST_INITRD, max, maxFrom, reason },
    minFrom: "16 MiB, below which the next kernel starts",
  });
}
