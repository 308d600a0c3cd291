/** Reads what tells whether this machine is a domain of Xen, and of which kind. */

import { existsSync } from "node:fs";
import { machine } from "node:os";
import {
  HYPERVISOR_FILES,
  type HypervisorEvidence,
  parseXenFeatures,
} from "../../facts/hypervisor.ts";
import type { Architecture } from "../../model/host-facts.ts";
import { attempt, type PseudoFiles, pseudoFiles } from "./read-pseudo-files.ts";

function firstLine(files: PseudoFiles, path: string): string | null {
  const text = attempt([], () => files.optionalText(path));
  return text === null ? null : text.replace(/\n.*$/s, "");
}

function architectureOf(machineName: string): Architecture | null {
  if (machineName === "x86_64") return "x86_64";
  return machineName === "aarch64" ? "arm64" : null;
}

/**
 * The evidence of this machine. Never throws for what the machine shows.
 *
 * @param root the directory that stands for `/`
 */
export function readHypervisorEvidence(root = "/"): HypervisorEvidence {
  const files = pseudoFiles(root);
  const features = firstLine(files, HYPERVISOR_FILES.features);
  return {
    architecture: architectureOf(machine()),
    type: firstLine(files, HYPERVISOR_FILES.type),
    guestType: firstLine(files, HYPERVISOR_FILES.guestType),
    features: features === null ? null : parseXenFeatures(features),
    capabilities: attempt([], () => files.optionalText(HYPERVISOR_FILES.capabilities)),
    procXen: existsSync(`${root.replace(/\/+$/, "")}${HYPERVISOR_FILES.procXen}`),
  };
}
