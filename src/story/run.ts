/**
 * The program as a story: request → facts → plan → backend → report. It decides the order, which is
 * kexec-tools'; every deed is done by the `World` that it is given.
 */

import { runKexecCommand } from "../cli/command.ts";
import { debugText, errorText } from "../cli/report.ts";
import { NO_KERNEL, toRequest } from "../cli/to-request.ts";
import { usageText } from "../cli/usage.ts";
import { versionLine } from "../cli/version.ts";
import { ExitStatus, fail, KexecError } from "../core/error.ts";
import type { LoadOutcome } from "../model/backend.ts";
import type { Request, RunRequest, TextRequest } from "../model/request.ts";
import type { Console, World } from "../model/world.ts";

/**
 * Does what the command line asks and returns the exit status, 0–255. Failures are printed here,
 * once.
 * @param openWorld makes the rest of the world, which texts do without
 * @throws only bugs
 */
export async function run(
  console: Console,
  openWorld: (request: RunRequest) => Promise<World>,
): Promise<number> {
  try {
    const request = toRequest(console);
    return await runKexecCommand(request, () => dispatch(request, console, openWorld));
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    console.stderr(errorText(error));
    return error.exitStatus;
  }
}

async function dispatch(
  request: Request,
  console: Console,
  openWorld: (request: RunRequest) => Promise<World>,
): Promise<number> {
  switch (request.action) {
    case "run": {
      const world = await openWorld(request);
      try {
        return await act(request, world);
      } finally {
        world.close();
      }
    }
    case "version":
      console.stdout(`${versionLine()}\n`);
      return request.exitStatus;
    case "help":
    case "usage":
      return printUsage(request, console);
  }
}

/** The complaint on stderr, then the usage on stdout, as kexec-tools has it. */
async function printUsage(request: TextRequest, console: Console): Promise<number> {
  const { imageTypes } = await import("../arch/index.ts");
  if (request.complaint !== "") console.stderr(`${request.complaint}\n`);
  console.stdout(usageText(imageTypes()));
  return request.exitStatus;
}

async function act(request: RunRequest, world: World): Promise<number> {
  const { steps, kernel } = request;
  if (request.printCrashRegionSize) return printCrashRegionSize(world);
  if (request.doctor !== null) {
    const { doctor } = await import("./doctor.ts");
    return doctor(request.doctor, world);
  }
  if (request.saveFacts !== null) await saveFacts(request.saveFacts, world);
  if (request.reuseInitrd && !steps.status) {
    const { refuseInitrdReuse } = await import("../plan/reuse-initrd.ts");
    refuseInitrdReuse(world.readFacts());
  }
  if (request.dryRun !== null) {
    if (kernel === null) return printUsage(NO_KERNEL, world);
    const { dryRun } = await import("./load.ts");
    return dryRun(kernel, request, world);
  }
  if (steps.load || steps.jumpBack) world.backend().admit(request.purpose, "load");
  if (steps.exec) world.backend().admit(request.purpose, "exec");
  if ((steps.load && request.purpose === "crash") || request.hotplug) {
    const { refuseEarly } = await import("./load.ts");
    refuseEarly(request, world.readFacts());
  }
  const { status: asks, unload, load: loads, exec, jumpBack } = steps;
  const acts = asks || unload || loads || exec || jumpBack;
  if (request.debug && acts) world.stderr(debugText(world.backend().evidence));
  if (steps.status) return status(request, world);
  if (steps.unload) world.backend().unload(request.purpose, request.method);
  if (steps.load) {
    if (kernel === null) return printUsage(NO_KERNEL, world);
    await load(kernel, request, world);
  }
  if (steps.shutdown || steps.exec) refuseIfNothingLoaded(request, world);
  if (steps.shutdown) world.shutdown();
  if (steps.sync) world.sync();
  if (steps.ifdown) world.ifdown();
  if (steps.exec) world.backend().exec(request.purpose);
  if (steps.jumpBack) world.backend().loadJumpBack(request.entry);
  return ExitStatus.ok;
}

async function saveFacts(path: string, world: World): Promise<void> {
  const { factsToJson } = await import("../facts/facts-file.ts");
  world.writeText(path, factsToJson(world.readFacts()));
}

/** `--print-ckr-size`: of the crash region that is used; 0 where there is none. */
async function printCrashRegionSize(world: World): Promise<number> {
  const { findCrashRegion } = await import("../plan/crash/crash-region.ts");
  const region = findCrashRegion(world.readFacts());
  world.stdout(`${region?.usedSize ?? 0n}\n`);
  return ExitStatus.ok;
}

/** `-S`: 1 where an image is loaded, 0 where none is, 255 where the kernel does not say. */
function status(request: RunRequest, world: World): number {
  const { loaded, doubt } = world.backend().loadedState(request.purpose);
  if (doubt !== null) world.stderr(`${doubt}\n`);
  if (loaded === null) return ExitStatus.failed;
  return loaded ? 1 : 0;
}

/** Each kind of plan in turn, until one is taken. */
async function load(kernel: string, request: RunRequest, world: World): Promise<void> {
  const { KernelFile, planAttempt, debugPlan, failUnsupported } = await import("./load.ts");
  const backend = world.backend();
  const file = new KernelFile(kernel);
  let outcome: LoadOutcome = { kind: "unsupported", why: "no way to load was tried" };
  for (const kind of backend.attempts(request.method)) {
    const planned = await planAttempt(kind, file, request, world);
    if ("unsupported" in planned) {
      outcome = { kind: "unsupported", why: planned.unsupported };
      if (request.debug) world.stderr(debugText([outcome.why]));
      continue;
    }
    if (request.debug) debugPlan(planned, world);
    outcome = backend.load(planned.plan);
    if (outcome.kind === "loaded") {
      for (const warning of planned.plan.warnings) world.stderr(`Warning: ${warning}\n`);
      return;
    }
    if (request.debug) world.stderr(debugText([outcome.why]));
  }
  failUnsupported(outcome.why);
}

/**
 * Nobody's machine goes down when there is nothing to start. Where the kernel does not say, it is
 * let pass, as in kexec-tools, unless the image was unloaded a moment ago.
 */
function refuseIfNothingLoaded({ steps, purpose }: RunRequest, world: World): void {
  const started = purpose === "live-update" ? purpose : "normal";
  const { loaded, doubt } = world.backend().loadedState(started);
  const unloaded = steps.unload && !steps.load;
  if (loaded === true || (loaded === null && !unloaded)) return;
  const advice = "Load a kernel first: kexec -l KERNEL --initrd=FILE --reuse-cmdline";
  fail({
    code: "kernel.nothing-loaded",
    message: "Nothing has been loaded!",
    hint: doubt === null ? advice : `${doubt}\n${advice}`,
  });
}
