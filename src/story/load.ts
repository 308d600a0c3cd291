/** Loading: tries each kind of plan that the host supports until one is loaded. */

import { debugText } from "../cli/report.ts";
import { ExitStatus, fail } from "../core/error.ts";
import type { Backend, LoadOutcome } from "../model/backend.ts";
import { noteSentence } from "../model/fact-note.ts";
import type { LoadPlan, NotByFile, PlanKind } from "../model/load-plan.ts";
import type { LoadRequest } from "../model/request.ts";
import type { World } from "../model/world.ts";
import { describePlan } from "../plan/describe-plan.ts";
import { LoadFiles, type Planned, planAttempt } from "./attempt.ts";

/**
 * Loads a kernel by the first kind of plan that the host accepts.
 * @throws KexecError where no plan can be made or the host accepts none
 */
export async function load(request: LoadRequest, world: World): Promise<void> {
  const backend = world.backend();
  const files = new LoadFiles(request.kernel, world);
  try {
    await loadFrom(files, backend.attempts(request.method), request, world);
  } finally {
    files.close();
  }
}

/** Tries the `kinds` of plan in turn. @throws KexecError as `load` */
async function loadFrom(
  files: LoadFiles,
  kinds: readonly PlanKind[],
  request: LoadRequest,
  world: World,
): Promise<void> {
  let why = "no way to load was tried";
  for (const kind of kinds) {
    const tried = await attempt(kind, files, request, world);
    if ("notByFile" in tried) {
      if (kinds.length === 1) failNotByFile(tried);
      why = tried.notByFile;
      // A refusal of the machine is news; that an image is not for kexec_file_load is not.
      if (tried.failure !== undefined) {
        world.stderr(`kexec_file_load is not tried: ${why}\n`);
      } else if (request.debug) world.stderr(debugText([why]));
      continue;
    }
    const { plan, outcome } = tried;
    if (outcome.kind === "loaded") {
      for (const warning of plan.warnings) world.stderr(`Warning: ${warning}\n`);
      return;
    }
    why = outcome.why;
    if (request.debug) world.stderr(debugText([why]));
  }
  failUnsupported(why);
}

/** A plan, and what came of it. */
interface Tried {
  readonly plan: LoadPlan;
  readonly outcome: LoadOutcome;
}

/** Makes a plan of this kind and hands it over: once more, from copies, where a file that was
 * mapped has changed meanwhile. @throws KexecError as `load` */
async function attempt(
  kind: PlanKind,
  files: LoadFiles,
  request: LoadRequest,
  world: World,
): Promise<Tried | NotByFile> {
  for (;;) {
    const planned = await planAttempt(kind, files, request, world);
    if ("notByFile" in planned) return planned;
    if (request.debug) debugPlan(planned, world);
    const { plan } = planned;
    const outcome = handOver(plan, files, world.backend());
    if (outcome !== "changed") return { plan, outcome };
    if (request.debug) world.stderr(debugText([CHANGED]));
    files.readAgain();
  }
}

const CHANGED = "a file changed while it was loaded: all files are copied, and loaded once more";

/** Has the host load `plan`. Where the host may have copied other bytes than were checked, since a
 * file changed, nothing stays loaded. With kexec_file_load the host reads the files by itself.
 * @throws KexecError as `Backend.load` and `Backend.unload` */
function handOver(plan: LoadPlan, files: LoadFiles, backend: Backend): LoadOutcome | "changed" {
  const isChanged = (): boolean => plan.kind === "segments" && files.changed();
  let outcome: LoadOutcome;
  try {
    outcome = backend.load(plan);
  } catch (error) {
    if (!isChanged()) throw error;
    return "changed";
  }
  if (!isChanged()) return outcome;
  if (outcome.kind === "loaded") backend.unload(plan.purpose, plan.kind);
  return "changed";
}

/** Prints for `-d` the notes on the facts, and the plan. */
function debugPlan({ plan, facts }: Planned, world: World): void {
  world.stderr(debugText([...facts.notes.map(noteSentence), ...describePlan(plan, facts)]));
}

/** Fails where kexec_file_load is the only call that may be tried. @throws KexecError */
export function failNotByFile({ notByFile, failure }: NotByFile): never {
  if (failure !== undefined) throw failure;
  return failUnsupported(notByFile);
}

/** Fails with kexec-tools' line and status for an image that no attempted system call supports. */
function failUnsupported(hint: string): never {
  fail({
    code: "kernel.unsupported",
    message: "syscall kexec_file_load not available.",
    hint,
    exitStatus: ExitStatus.fallback,
  });
}
