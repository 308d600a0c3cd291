/** A sample of faults.ts' system calls that fail; `bun scripts/test.ts faults` has all of them. */

import { describe, expect, test } from "bun:test";
import {
  CALLS,
  faultName,
  injection,
  plannedBy,
  runScenario,
  SCENARIOS,
  wrongs,
} from "./faults.ts";

/** Which times of a call fail: the first one, and some of many. */
const NUMBERS = [0, 3, 11, 27, 50];

const OFTEN = ["openat", "read"];

describe.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
  "%s survives",
  (_, scenario) => {
    test("some of its system calls that fail", async () => {
      const sound = await runScenario(scenario);
      const planned = await plannedBy(scenario, sound);
      expect(wrongs(sound, planned)).toEqual([]);
      expect(planned.length > 0).toBe(/ -[lp]/.test(scenario.name));
      const runs = CALLS.flatMap(([call, ...errors]) =>
        (OFTEN.includes(call) ? NUMBERS : NUMBERS.slice(0, 1)).map((number, i) => {
          const error = errors[i % errors.length] ?? "EIO";
          return { call, number, error };
        }),
      );
      const found: string[] = [];
      let happened = 0;
      await Promise.all(
        runs.map(async ({ call, number, error }) => {
          const fault = injection(scenario, call, error, number);
          const run = await runScenario(scenario, fault);
          if (run.outcome.faultHappened) happened += 1;
          found.push(...wrongs(run, planned).map((wrong) => `${faultName(fault)}: ${wrong}`));
        }),
      );
      expect(found).toEqual([]);
      expect(happened).toBeGreaterThan(5);
    });
  },
);
