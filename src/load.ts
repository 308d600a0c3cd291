/** One attempt to load: reads the files that this kind of plan needs, and plans. Part of run.ts. */

import { asciiJson } from "./cli/ascii-json.ts";
import { debugText } from "./cli/report.ts";
import { ExitStatus } from "./core/error.ts";
import type { HostFacts } from "./model/host-facts.ts";
import type { LoadPlan, PlanKind } from "./model/load-plan.ts";
import { kindsToTry } from "./model/plan-kinds.ts";
import type { RunRequest } from "./model/request.ts";
import type { World } from "./model/world.ts";
import { buildFilePlan, buildSegmentPlan } from "./plan/build-plan.ts";
import { hotplugHeaderSize } from "./plan/crash-plan.ts";
import { crashRegion } from "./plan/crash-region.ts";
import { describePlan, planToJson } from "./plan/describe-plan.ts";

interface Planned {
  readonly plan: LoadPlan;
  readonly facts: HostFacts;
}

/** Where the facts come from: this machine, or a file that was saved on another. */
async function factsFor(request: RunRequest, world: World): Promise<HostFacts> {
  if (request.facts === null) return world.readFacts();
  // Reading a file of facts takes a schema of them, which takes its time to make.
  const { factsFromJson } = await import("./facts/facts-file.ts");
  return factsFromJson(world.readText(request.facts));
}

/**
 * Refuses what cannot be done on this machine whatever the files are, before any is read and before
 * anything is unloaded, as kexec-tools does.
 * @throws KexecError `plan.no-crash-region`, `plan.hotplug`
 */
export function refuseEarly({ steps, purpose, hotplug }: RunRequest, facts: HostFacts): void {
  if (steps.load && purpose === "crash") crashRegion(facts);
  if (hotplug) hotplugHeaderSize(facts);
}

/**
 * Reads what a plan of this `kind` needs and makes it.
 * @param known the facts, where they were read already
 * @throws KexecError
 */
export async function planAttempt(
  kind: PlanKind,
  kernel: string,
  request: RunRequest,
  world: World,
  known?: HostFacts,
): Promise<Planned> {
  const { initrd } = request.loader;
  if (kind === "file") {
    const file = world.openInput(kernel, "kernel");
    const image = world.readOpened(file);
    const facts = known ?? (await factsFor(request, world));
    const ramdisk = initrd === null ? null : world.openInput(initrd, "initrd", kernel);
    return { plan: buildFilePlan(request, facts, image, { kernel: file, initrd: ramdisk }), facts };
  }
  const image = world.readInput(kernel, "kernel", false);
  const facts = known ?? (await factsFor(request, world));
  const hash = !request.skipChecks;
  const ramdisk = initrd === null ? null : world.readInput(initrd, "initrd", hash);
  return { plan: buildSegmentPlan(request, facts, { kernel: image, initrd: ramdisk }), facts };
}

/** What `-d` prints of a plan: what could not be read of the machine, and the plan itself. */
export function debugPlan({ plan, facts }: Planned, world: World): void {
  world.stderr(debugText([...facts.notes, ...describePlan(plan, facts)]));
}

/**
 * Plans and prints; changes nothing. Returns the exit status.
 * @throws KexecError where no plan can be made
 */
export async function dryRun(kernel: string, request: RunRequest, world: World): Promise<number> {
  if (request.facts === null) world.backend().admit(request.purpose, "load");
  const facts = await factsFor(request, world);
  refuseEarly(request, facts);
  const kinds = kindsToTry(request.method, facts.planKinds);
  const planned: Planned[] = [];
  for (const kind of kinds) planned.push(await planAttempt(kind, kernel, request, world, facts));
  if (request.dryRun === "json") {
    const attempts = planned.map(({ plan }) => planToJson(plan));
    world.stdout(`${asciiJson({ format: 1, attempts })}\n`);
    return ExitStatus.ok;
  }
  planned.forEach(({ plan, facts }, i) => {
    if (kinds.length > 1) {
      world.stdout(i === 0 ? "first attempt:\n" : "\nif the kernel does not take that:\n");
    }
    world.stdout(debugText(describePlan(plan, facts)));
  });
  return ExitStatus.ok;
}
