/** All of faults.ts: `bun scripts/test.ts faults`, about 40 minutes. */

import { beforeAll, describe, expect, test } from "bun:test";
import { availableParallelism } from "node:os";
import {
  CALLS,
  faultName,
  injection,
  type Loaded,
  plannedBy,
  runScenario,
  SCENARIOS,
  wrongs,
} from "./faults.ts";

/** More than any scenario makes. */
const MOST = 2000;
const LANES = availableParallelism() + 1;

describe.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
  "%s survives",
  (_, scenario) => {
    let planned: Loaded = [];
    beforeAll(async () => {
      planned = await plannedBy(scenario, await runScenario(scenario));
    });
    for (const [call, ...errors] of CALLS) {
      for (const error of errors) {
        test(`every ${call} that fails with ${error}`, async () => {
          const found: string[] = [];
          let next = 0;
          let isOver = false;
          const lane = async (): Promise<void> => {
            for (let number = next++; !isOver && number < MOST; number = next++) {
              const fault = injection(scenario, call, error, number);
              const run = await runScenario(scenario, fault);
              if (!run.outcome.faultHappened) isOver = true;
              else found.push(...wrongs(run, planned).map((w) => `${faultName(fault)}: ${w}`));
            }
          };
          await Promise.all(Array.from({ length: LANES }, lane));
          expect(found).toEqual([]);
        });
      }
    }
  },
);
