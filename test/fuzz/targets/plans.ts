/** What every plan that comes out of a damaged input is held against. */

import { ADDRESS_END, hex } from "../../../src/core/address.ts";
import { KexecError } from "../../../src/core/error.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import type { LoadPlan, SegmentPlan } from "../../../src/model/load-plan.ts";
import { buildSegmentPlan } from "../../../src/plan/build-plan.ts";
import { describePlan, plansToJson } from "../../../src/plan/describe-plan.ts";
import { DryRunJson } from "../../../src/plan/json-schema.ts";
import { file } from "../../plan/pieces.ts";
import { loadRequest, NO_FILES } from "../../plan/requests.ts";

/** The facts that every plan rests on, said here once more in another way than `checkPlan` does. */
function checkSegments(plan: SegmentPlan): void {
  let end = 0n;
  for (const { start, size, bytes, role } of plan.segments) {
    if (start < end) throw new Error(`${role} at ${hex(start)} begins before ${hex(end)}`);
    if (BigInt(bytes.length) > size) throw new Error(`${role} has more bytes than memory`);
    end = start + size;
  }
  if (end > ADDRESS_END) throw new Error(`segments end at ${hex(end)}`);
  const inside = plan.segments.some((s) => s.start <= plan.entry && plan.entry < s.start + s.size);
  if (!inside) throw new Error(`the entry point ${hex(plan.entry)} is in no segment`);
}

/** Its segments, its description, and its JSON, which programs read by its schema. */
export function checkOutcome(plan: LoadPlan, facts: HostFacts): void {
  if (plan.kind === "segments") checkSegments(plan);
  describePlan(plan, facts);
  DryRunJson.parse(JSON.parse(JSON.stringify(plansToJson([plan]))));
}

/** A refusal of one thing must not hide what is wrong with the next. */
export function orNothing<T>(make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    if (error instanceof KexecError) return null;
    throw error;
  }
}

/** Facts that pass the schema give plans that pass `checkPlan`, or a refusal. */
export function planBoth(facts: HostFacts, kernel: Uint8Array): void {
  const inputs = { ...NO_FILES, kernel: file("/boot/vmlinuz", kernel) };
  for (const purpose of ["normal", "crash"] as const) {
    const outcome = orNothing(() => buildSegmentPlan(loadRequest({ purpose }), facts, inputs));
    if (outcome !== null) checkOutcome(outcome, facts);
  }
}
