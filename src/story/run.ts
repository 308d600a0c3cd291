/**
 * A run: carries out the steps of the request in their order, which is kexec-tools'. Every change
 * to the machine goes through the `World`.
 */

import { debugText } from "../cli/report.ts";
import { ExitStatus, fail } from "../core/error.ts";
import type { RunRequest, Step } from "../model/request.ts";
import type { World } from "../model/world.ts";

/**
 * Carries out all steps. Returns the exit status of the step that ended the run, else 0.
 * @throws KexecError where a step fails
 */
export async function run({ steps }: RunRequest, world: World): Promise<number> {
  return (await takeSteps(steps, world)) ?? ExitStatus.ok;
}

/**
 * Carries out the steps up to one that ends the program. Returns the exit status of that one,
 * undefined where all steps were done.
 * @throws KexecError where a step fails
 */
export async function takeSteps(steps: readonly Step[], world: World): Promise<number | undefined> {
  for (const step of steps) {
    const exitStatus = await take(step, world);
    if (exitStatus !== undefined) return exitStatus;
  }
  return undefined;
}

async function take(step: Step, world: World): Promise<number | undefined> {
  switch (step.kind) {
    // These print or save an answer.
    case "status":
      return status(step, world);
    case "usage":
      return (await import("./text.ts")).printText(step.text, { console: world });
    case "save-facts":
      await (await import("./save-facts.ts")).saveFacts(step, world);
      break;
    // These refuse before anything is changed.
    case "refuse-initrd-reuse":
      (await import("../plan/reuse-initrd.ts")).refuseInitrdReuse(await world.readFacts());
      break;
    case "check-supported":
      world.backend().checkSupported(step.purpose, step.action);
      break;
    case "require-crash-region":
      (await import("../plan/crash/crash-region.ts")).requireCrashRegion(await world.readFacts());
      break;
    case "require-hotplug":
      (await import("../plan/crash/crash-plan.ts")).requireHotplug(await world.readFacts());
      break;
    case "describe-host":
      world.stderr(debugText(world.backend().evidence));
      break;
    // These change the machine, or check that the next one may.
    case "unload":
      world.backend().unload(step.purpose, step.method);
      break;
    case "load":
      await (await import("./load.ts")).load(step.request, world);
      break;
    case "require-loaded":
      requireLoaded(step, world);
      break;
    case "shutdown":
      world.shutdown();
      break;
    case "sync":
      world.sync();
      break;
    case "ifdown":
      world.ifdown();
      break;
    case "exec":
      world.backend().exec(step.purpose);
      break;
    case "jump-back":
      world.backend().loadJumpBack(step.entry);
      break;
  }
  return undefined;
}

type StepOf<Kind extends Step["kind"]> = Extract<Step, { readonly kind: Kind }>;

/** `-S`: 1 where an image is loaded, 0 where none is, 255 where the host cannot tell. */
function status({ purpose }: StepOf<"status">, world: World): number {
  const { loaded, doubt } = world.backend().loadedState(purpose);
  if (doubt !== null) world.stderr(`${doubt}\n`);
  if (loaded === null) return ExitStatus.failed;
  return loaded ? 1 : 0;
}

/**
 * Refuses where nothing is loaded. Where the host cannot tell, the run goes on, as in kexec-tools,
 * unless it has just unloaded the image itself.
 */
function requireLoaded({ purpose, unloaded }: StepOf<"require-loaded">, world: World): void {
  const { loaded, doubt } = world.backend().loadedState(purpose);
  if (loaded === true || (loaded === null && !unloaded)) return;
  const advice = "Load a kernel first: kexec -l KERNEL --initrd=FILE --reuse-cmdline";
  fail({
    code: "kernel.nothing-loaded",
    message: "Nothing has been loaded!",
    hint: doubt === null ? advice : `${doubt}\n${advice}`,
  });
}
