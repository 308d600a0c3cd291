/** Files for tests of plans, and functions that find a plan's segments. */

import { x86Purgatory } from "../../src/arch/x86-64/purgatory/index.ts";
import { purgatoryEntry } from "../../src/arch/x86-64/purgatory/parameters.ts";
import { alignUp } from "../../src/core/address.ts";
import type { InputFile, Piece } from "../../src/model/image-type.ts";
import type { Segment, SegmentPlan } from "../../src/model/load-plan.ts";

export const file = (path: string, bytes: Uint8Array): InputFile => ({ path, bytes });

/** `size` bytes, each different from the next. */
export const pattern = (size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => (i * 13) & 0xff);

/** The plan's first segment of `role`. @throws where there is none */
export function segment(plan: SegmentPlan, role: Segment["role"]): Segment {
  const found = plan.segments.find((s) => s.role === role);
  if (found === undefined) throw new Error(`no ${role} segment`);
  return found;
}

/** The entry parameters of the plan's purgatory, for example registers and entry mode. */
export const entryOf = (plan: SegmentPlan) =>
  purgatoryEntry.read(segment(plan, "purgatory").bytes, x86Purgatory().manifest.parameterOffset);

/** `PlanContext.put` without a placer: `startOf` gives the address of each piece. */
export const putAt =
  (startOf: (size: bigint) => bigint) =>
  ({ role, bytes, size, reason }: Piece): Segment => {
    const given = typeof bytes === "function" ? 0n : BigInt(bytes.length);
    const whole = alignUp(size ?? given, 4096n);
    const start = startOf(whole);
    return {
      role,
      start,
      size: whole,
      bytes: typeof bytes === "function" ? bytes(start) : bytes,
      digest: null,
      reason: typeof reason === "function" ? reason(start) : reason,
    };
  };
