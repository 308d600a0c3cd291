/** `--doctor`: examines the machine and the host, and prints what works. */

import { asciiJson } from "../cli/ascii-json.ts";
import { debugText } from "../cli/report.ts";
import { ExitStatus, KexecError } from "../core/error.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { DoctorRequest } from "../model/request.ts";
import type { World } from "../model/world.ts";
import { diagnose, diagnosisText, type ExaminedHost, type Unreadable } from "../plan/diagnosis.ts";
import type { DoctorJson } from "../plan/json-schema.ts";

function examinedHost(world: World): ExaminedHost {
  try {
    const backend = world.backend();
    return {
      name: backend.name === "xen" ? "Xen" : "Linux",
      evidence: backend.evidence,
      probes: backend.probe(),
      loaded: backend.loadedState("normal").loaded,
      crashLoaded: backend.loadedState("crash").loaded,
    };
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    return { refusal: error.message, hint: error.hint ?? "" };
  }
}

/** The facts, or why they cannot be read, for example because Xen cannot be reached. */
async function examinedFacts(world: World): Promise<HostFacts | Unreadable> {
  try {
    return await world.readFacts();
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    return { unreadable: error.message.replaceAll("\n", "; "), hint: error.hint ?? "" };
  }
}

/** Prints the diagnosis. Returns 0 where a kernel can be loaded, else 1. */
export async function doctor({ format }: DoctorRequest, world: World): Promise<number> {
  const host = examinedHost(world);
  const diagnosis = diagnose(await examinedFacts(world), host);
  if (format === "json") {
    const json: DoctorJson = { format: 1, ...diagnosis };
    world.stdout(`${asciiJson(json)}\n`);
  } else world.stdout(debugText(diagnosisText(diagnosis)));
  return diagnosis.canLoad ? ExitStatus.ok : ExitStatus.general;
}
