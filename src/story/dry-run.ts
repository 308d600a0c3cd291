/** `--dry-run`: makes the plans and prints them; changes nothing on the machine. */

import { asciiJson } from "../cli/ascii-json.ts";
import { debugText } from "../cli/report.ts";
import { ExitStatus } from "../core/error.ts";
import type { HostFacts } from "../model/host-facts.ts";
import { kindsToTry } from "../model/plan-kinds.ts";
import type { DryRunRequest, LoadRequest } from "../model/request.ts";
import type { World } from "../model/world.ts";
import { requireHotplug } from "../plan/crash/crash-plan.ts";
import { requireCrashRegion } from "../plan/crash/crash-region.ts";
import { describePlan, plansToJson } from "../plan/describe-plan.ts";
import { factsFor, LoadFiles, type Planned, planAttempt } from "./attempt.ts";
import { failNotByFile } from "./load.ts";
import { takeSteps } from "./run.ts";

/**
 * Prints a plan for each attempt that a load would make, and returns the exit status.
 * @throws KexecError where no plan can be made
 */
export async function dryRun(request: DryRunRequest, world: World): Promise<number> {
  const { before, load, format } = request;
  const ended = await takeSteps(before, world);
  if (ended !== undefined) return ended;
  if (load.facts === null) world.backend().checkSupported(load.purpose, "load");
  const files = new LoadFiles(load.kernel, world);
  try {
    const planned = await planAll(files, load, world);
    if (format === "json")
      world.stdout(`${asciiJson(plansToJson(planned.map(({ plan }) => plan)))}\n`);
    else printText(planned, world);
  } finally {
    files.close();
  }
  return ExitStatus.ok;
}

/** Refuses what a load refuses before it reads a file. @throws KexecError */
function refuseEarly({ purpose, hotplug }: LoadRequest, facts: HostFacts): void {
  if (purpose === "crash") requireCrashRegion(facts);
  if (hotplug) requireHotplug(facts);
}

/** Makes a plan of each kind that a load would try. */
async function planAll(
  files: LoadFiles,
  load: LoadRequest,
  world: World,
): Promise<readonly Planned[]> {
  const facts = await factsFor(load, world);
  refuseEarly(load, facts);
  const kinds = kindsToTry(load.method, facts.planKinds);
  const planned: Planned[] = [];
  for (const kind of kinds) {
    const attempt = await planAttempt(kind, files, load, world, facts);
    if ("plan" in attempt) planned.push(attempt);
    else if (kinds.length === 1) failNotByFile(attempt);
    else world.stderr(`kexec_file_load is not tried: ${attempt.notByFile}\n`);
  }
  return planned;
}

function printText(planned: readonly Planned[], world: World): void {
  planned.forEach(({ plan, facts }, i) => {
    if (planned.length > 1) {
      world.stdout(i === 0 ? "first attempt:\n" : "\nif the kernel does not support that:\n");
    }
    world.stdout(debugText(describePlan(plan, facts)));
  });
}
