/** Turns the final settings into the request: what kexec does, in kexec-tools' order.
 * [kexec-tools] */

import { ExitStatus } from "../core/error.ts";
import type { ImagePurpose } from "../model/purpose.ts";
import type {
  EarlyStep,
  LoadRequest,
  Request,
  Step,
  TextRequest,
  WorldRequest,
} from "../model/request.ts";
import type { Asked, Settings } from "./option-handlers.ts";

const NO_KERNEL: TextRequest = {
  action: "usage",
  complaint: "No kernel specified",
  exitStatus: ExitStatus.failed,
};

/** A list of `step` alone where `isAsked`, else an empty list. */
function when<S extends Step>(isAsked: boolean, step: S): readonly S[] {
  return isAsked ? [step] : [];
}

/**
 * The request of a command line that passed all checks.
 * @param kernel the first operand; null: there is none
 */
export function finalRequest(settings: Settings, asked: Asked, kernel: string | null): Request {
  const purpose = purposeOf(settings, asked);
  const world = worldOf(settings, purpose);
  const { instead, dryRun } = settings;
  if (instead !== null) return { ...instead, world };
  if (asked.load && kernel === null && missesKernelAtOnce(settings, asked)) return NO_KERNEL;
  const load = kernel === null ? null : loadOf(settings, purpose, kernel);
  const before = earlySteps(settings, asked);
  if (dryRun === null)
    return runOf(world, [...before, ...runSteps(settings, asked, purpose, load)]);
  if (load === null) return runOf(world, [...before, { kind: "usage", text: NO_KERNEL }]);
  return { action: "dry-run", world, format: dryRun, before, load };
}

function purposeOf({ purpose, loadGiven }: Settings, { status }: Asked): ImagePurpose {
  // In kexec-tools, -d also changes which image -S reports on; differs: only -l and -p choose it.
  return purpose ?? (status && !loadGiven ? "crash" : "normal");
}

function worldOf({ xen, saveFacts }: Settings, purpose: ImagePurpose): WorldRequest {
  const dumps = purpose === "crash" || purpose === "preserve-context";
  return { xen, crashFacts: dumps || saveFacts !== null };
}

/** True where a missing kernel is reported before anything else. With -u or -p, kexec-tools first
 * unloads or looks for the crash region. */
function missesKernelAtOnce({ purpose, dryRun }: Settings, { unload }: Asked): boolean {
  return purpose !== "crash" && !(unload && dryRun === null);
}

/** A run of `steps`. A single usage step or save-facts step becomes the request of that kind. */
function runOf(world: WorldRequest, steps: readonly Step[]): Request {
  const [only, ...more] = steps;
  if (more.length === 0 && only?.kind === "usage") return only.text;
  if (more.length === 0 && only?.kind === "save-facts") {
    return { action: "save-facts", world, path: only.path };
  }
  return { action: "run", world, steps };
}

function earlySteps({ saveFacts, reuseInitrd }: Settings, { status }: Asked): EarlyStep[] {
  const saves: readonly EarlyStep[] =
    saveFacts === null ? [] : [{ kind: "save-facts", path: saveFacts }];
  return [...saves, ...when(reuseInitrd && !status, { kind: "refuse-initrd-reuse" })];
}

/** All steps in kexec-tools' order. Checks that can refuse the run come first. */
function runSteps(
  { debug, hotplug, method, entry }: Settings,
  asked: Asked,
  purpose: ImagePurpose,
  load: LoadRequest | null,
): readonly Step[] {
  const { status, unload, exec, jumpBack, shutdown } = asked;
  const acts = status || unload || asked.load || exec || jumpBack;
  const before: readonly Step[] = [
    ...when(asked.load || jumpBack, { kind: "check-supported", purpose, action: "load" }),
    ...when(exec, { kind: "check-supported", purpose, action: "exec" }),
    ...when(asked.load && purpose === "crash", { kind: "require-crash-region" }),
    ...when(hotplug, { kind: "require-hotplug" }),
    ...when(debug && acts, { kind: "describe-host" }),
    ...when(status, { kind: "status", purpose }),
    ...when(unload, { kind: "unload", purpose, method }),
  ];
  if (asked.load && load === null) return [...before, { kind: "usage", text: NO_KERNEL }];
  const loads: readonly Step[] =
    asked.load && load !== null ? [{ kind: "load", request: load }] : [];
  const started = purpose === "live-update" ? purpose : "normal";
  const unloaded = unload && !asked.load;
  return [
    ...before,
    ...loads,
    ...when(shutdown || exec, { kind: "require-loaded", purpose: started, unloaded }),
    ...when(shutdown, { kind: "shutdown" }),
    ...when(asked.sync, { kind: "sync" }),
    ...when(asked.ifdown, { kind: "ifdown" }),
    ...when(exec, { kind: "exec", purpose }),
    ...when(jumpBack, { kind: "jump-back", entry }),
  ];
}

/** The part of the settings that a plan needs. */
function loadOf(settings: Settings, purpose: ImagePurpose, kernel: string): LoadRequest {
  return {
    purpose,
    method: settings.method,
    kernel,
    type: settings.type,
    loader: settings.loader,
    console: settings.console,
    memMin: settings.memMin,
    memMax: settings.memMax,
    skipChecks: settings.skipChecks,
    debug: settings.debug,
    noEfi: settings.noEfi,
    reuseVideoType: settings.reuseVideoType,
    noCma: settings.noCma,
    forceDtb: settings.forceDtb,
    entry: settings.entry,
    hotplug: settings.hotplug,
    passMemmapCmdline: settings.passMemmapCmdline,
    unpack: settings.unpack,
    facts: settings.facts,
  };
}
