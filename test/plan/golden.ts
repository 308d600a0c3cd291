/** Recorded machines, and plans to compare with golden files, which are reviewed like code. */

import { expect } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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

/** The plan as text and as JSON: NAME.plan.txt, NAME.plan.json. */
export function expectGoldenPlan(name: string, plan: LoadPlan, facts: HostFacts): void {
  expectGolden(`${name}.plan.txt`, `${describePlan(plan, facts).join("\n")}\n`);
  expectGolden(`${name}.plan.json`, `${JSON.stringify(planToJson(plan), null, 2)}\n`);
}
