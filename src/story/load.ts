/** Loading: tries each kind of plan that the host supports until one is loaded. */

import { debugText } from "../cli/report.ts";
import { ExitStatus, fail } from "../core/error.ts";
import type { LoadOutcome } from "../model/backend.ts";
import { noteSentence } from "../model/fact-note.ts";
import type { NotByFile } from "../model/load-plan.ts";
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
  let outcome: LoadOutcome = { kind: "unsupported", why: "no way to load was tried" };
  const kinds = backend.attempts(request.method);
  for (const kind of kinds) {
    const planned = await planAttempt(kind, files, request, world);
    if ("notByFile" in planned) {
      if (kinds.length === 1) failNotByFile(planned);
      outcome = { kind: "unsupported", why: planned.notByFile };
      // A refusal of the machine is news; that an image is not for kexec_file_load is not.
      if (planned.failure !== undefined) {
        world.stderr(`kexec_file_load is not tried: ${planned.notByFile}\n`);
      } else if (request.debug) world.stderr(debugText([outcome.why]));
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
