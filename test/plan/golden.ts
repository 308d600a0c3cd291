/** Recorded machines, and plans to compare with golden files, which are reviewed like code. */

import { expect } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hexOf } from "../../src/core/bytes.ts";
import { sha256 } from "../../src/core/digest.ts";
import { factsFromJson } from "../../src/facts/facts-file.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";
import type { LoadPlan } from "../../src/model/load-plan.ts";
import { describePlan, planToJson } from "../../src/plan/describe-plan.ts";

const GOLDEN = join(import.meta.dir, "../golden");
const MACHINES = join(import.meta.dir, "../facts/machines");

/** The facts of test/facts/machines/NAME.json. */
export const machine = (name: string): HostFacts =>
  factsFromJson(readFileSync(join(MACHINES, `${name}.json`), "utf8"));

/** Compares with a golden file; UPDATE_GOLDEN=1 writes it. */
export function expectGolden(name: string, text: string): void {
  const path = join(GOLDEN, name);
  if (process.env.UPDATE_GOLDEN === "1") writeFileSync(path, text);
  expect(existsSync(path) ? readFileSync(path, "utf8") : "(missing: UPDATE_GOLDEN=1)").toBe(text);
}

/**
 * The text without the digest of the plan's purgatory, which every rebuilt blob would change in
 * every golden file. The blob's bytes and its parameters have tests of their own.
 */
function maskPurgatory(text: string, plan: LoadPlan): string {
  if (plan.kind === "file") return text;
  const own = plan.segments.filter(({ role }) => role === "purgatory");
  return own.reduce((sofar, { bytes }) => sofar.replaceAll(hexOf(sha256(bytes)), "(masked)"), text);
}

/** The plan as text and as JSON: NAME.plan.txt, NAME.plan.json. */
export function expectGoldenPlan(name: string, plan: LoadPlan, facts: HostFacts): void {
  const text = `${describePlan(plan, facts).join("\n")}\n`;
  const json = `${JSON.stringify(planToJson(plan), null, 2)}\n`;
  expectGolden(`${name}.plan.txt`, maskPurgatory(text, plan));
  expectGolden(`${name}.plan.json`, maskPurgatory(json, plan));
}
