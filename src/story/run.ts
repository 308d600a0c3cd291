/**
 * A run: steps in the order in which the request has them, which is kexec-tools'. Everything that
 * changes something is done by the `World` that it is given.
 */

import { debugText } from "../cli/report.ts";
import { ExitStatus, fail } from "../core/error.ts";
import type { RunRequest, Step } from "../model/request.ts";
import type { World } from "../model/world.ts";

/**
 * Takes each step, and returns the exit status: 0 unless a step says otherwise.
 * @throws KexecError where a step fails
 */
export async function run({ steps }: RunRequest, world: World): Promise<number> {
  return (await takeSteps(steps, world)) ?? ExitStatus.ok;
}

/**
 * Takes each step up to one that ends the program; returns the exit status where one did.
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
    // Answers, which end the program.
    case "status":
      return status(step, world);
    case "usage":
      return (await import("./text.ts")).printText(step.text, { console: world });
    case "save-facts":
      (await import("./save-facts.ts")).saveFacts(step, world);
      break;
    // What refuses before anything is done.
    case "refuse-initrd-reuse":
      (await import("../plan/reuse-initrd.ts")).refuseInitrdReuse(world.readFacts());
      break;
    case "check-supported":
      world.backend().checkSupported(step.purpose, step.action);
      break;
    case "require-crash-region":
      (await import("../plan/crash/crash-region.ts")).requireCrashRegion(world.readFacts());
      break;
    case "require-hotplug":
      (await import("../plan/crash/crash-plan.ts")).requireHotplug(world.readFacts());
      break;
    case "describe-host":
      world.stderr(debugText(world.backend().evidence));
      break;
    // What changes something.
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

/** `-S`: 1 where an image is loaded, 0 where none is, 255 where the kernel does not say. */
function status({ purpose }: StepOf<"status">, world: World): number {
  const { loaded, doubt } = world.backend().loadedState(purpose);
  if (doubt !== null) world.stderr(`${doubt}\n`);
  if (loaded === null) return ExitStatus.failed;
  return loaded ? 1 : 0;
}

/**
 * Refuses where nothing is loaded. Where the kernel does not say, it is let pass, as in
 * kexec-tools, unless the image was unloaded a moment ago.
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
