/** Reads the files that show whether this machine is a domain of Xen, and of which type. */

import { existsSync } from "node:fs";
import { machine } from "node:os";
import { architectureOfMachine } from "../../facts/machine-name.ts";
import { attempt, type PseudoFiles, pseudoFiles } from "../files/read-pseudo-files.ts";
import {
  HYPERVISOR_FILES,
  type HypervisorEvidence,
  hasXenInterrupts,
  parseXenFeatures,
} from "./decide-host.ts";

function firstLine(files: PseudoFiles, path: string): string | null {
  const text = attempt([], () => files.optionalText(path));
  return text === null ? null : text.replace(/\n.*$/s, "");
}

/** The hypervisor's version, `4.17`; null where either number is missing. */
function versionOf(files: PseudoFiles): string | null {
  const parts = [HYPERVISOR_FILES.major, HYPERVISOR_FILES.minor].map((path) =>
    firstLine(files, path),
  );
  return parts.every((part) => part !== null && /^\d+$/.test(part)) ? parts.join(".") : null;
}

/** Whether /proc/interrupts shows Xen. Read only without /sys/hypervisor/type, because the file is
 * slow to read on a machine with many CPUs. */
function sawXenInterrupts(files: PseudoFiles, type: string | null): boolean {
  if (type !== null) return false;
  const text = attempt([], () => files.optionalText(HYPERVISOR_FILES.interrupts));
  return text !== null && hasXenInterrupts(text);
}

/**
 * The evidence of this machine. Does not throw for files that are missing or damaged.
 *
 * @param root the directory that stands for `/`
 */
export function readHypervisorEvidence(root = "/"): HypervisorEvidence {
  const files = pseudoFiles(root);
  const features = firstLine(files, HYPERVISOR_FILES.features);
  const type = firstLine(files, HYPERVISOR_FILES.type);
  return {
    architecture: architectureOfMachine(machine()),
    type,
    guestType: firstLine(files, HYPERVISOR_FILES.guestType),
    features: features === null ? null : parseXenFeatures(features),
    capabilities: attempt([], () => files.optionalText(HYPERVISOR_FILES.capabilities)),
    procXen: existsSync(`${root.replace(/\/+$/, "")}${HYPERVISOR_FILES.procXen}`),
    xenInterrupts: sawXenInterrupts(files, type),
    version: versionOf(files),
  };
}
