/** Reads the files that show whether this machine is a domain of Xen, and of which type. */

import { existsSync } from "node:fs";
import { machine } from "node:os";
import { architectureOfMachine } from "../../facts/machine-name.ts";
import { type FactNote, noteSentence } from "../../model/fact-note.ts";
import { attempt, type PseudoFiles, pseudoFiles } from "../files/read-pseudo-files.ts";
import {
  HYPERVISOR_FILES,
  type HypervisorEvidence,
  hasXenInterrupts,
  parseXenFeatures,
} from "./decide-host.ts";

function firstLine(files: PseudoFiles, path: string, notes: FactNote[] = []): string | null {
  const text = attempt(notes, () => files.optionalText(path));
  return text === null ? null : text.replace(/\n.*$/s, "");
}

/** The hypervisor's version, `4.17`; null where either number is missing. */
function versionOf(files: PseudoFiles): string | null {
  const parts = [HYPERVISOR_FILES.major, HYPERVISOR_FILES.minor].map((path) =>
    firstLine(files, path),
  );
  return parts.every((part) => part !== null && /^\d+$/.test(part)) ? parts.join(".") : null;
}

/** Read only where sysfs does not have it: the file is slow to read on a machine with many CPUs. */
function sawXenInterrupts(files: PseudoFiles, type: string | null, notes: FactNote[]): boolean {
  if (type !== null && type !== "") return false;
  const text = attempt(notes, () => files.optionalText(HYPERVISOR_FILES.interrupts));
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
  const notes: FactNote[] = [];
  const type = firstLine(files, HYPERVISOR_FILES.type, notes);
  const capabilities = attempt(notes, () => files.optionalText(HYPERVISOR_FILES.capabilities));
  const xenInterrupts = sawXenInterrupts(files, type, notes);
  return {
    architecture: architectureOfMachine(machine()),
    type,
    guestType: firstLine(files, HYPERVISOR_FILES.guestType),
    features: features === null ? null : parseXenFeatures(features),
    capabilities,
    procXen: existsSync(`${root.replace(/\/+$/, "")}${HYPERVISOR_FILES.procXen}`),
    xenInterrupts,
    unreadable: notes.map(noteSentence),
    version: versionOf(files),
  };
}
