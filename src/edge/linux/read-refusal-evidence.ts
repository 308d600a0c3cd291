/** Reads what may explain a refusal of the kernel: a few small files, after the fact. */

import { LOCKDOWN, parseLockdown } from "../../facts/lockdown.ts";
import { PROC_STATUS, parseCapEff } from "../../facts/proc-status.ts";
import { parseNumber } from "../../facts/sysfs-number.ts";
import type { FactNote } from "../../model/fact-note.ts";
import type { ImagePurpose } from "../../model/purpose.ts";
import { attempt, type PseudoFiles, pseudoFiles } from "../files/read-pseudo-files.ts";
import type { RefusalEvidence } from "./explain-refusal.ts";
import { linuxPurpose } from "./purposes.ts";
import { readKexecStateOf } from "./read-kexec-state.ts";

/** Loads left for `purpose`; -1 is no limit. [linux kernel/kexec_core.c kexec_core_sysctls] */
function readLoadsLeft(files: PseudoFiles, purpose: ImagePurpose): bigint | null {
  const file = `/proc/sys/kernel/kexec_load_limit_${linuxPurpose(purpose).limit}`;
  const text = files.optionalText(file);
  return text === null || text.startsWith("-") ? null : parseNumber(text, file);
}

/** The evidence of this machine, for a refusal of `purpose`. Never throws for what it shows.
 *
 * @param root the directory that stands for `/`
 */
export function readRefusalEvidence(purpose: ImagePurpose, root = "/"): RefusalEvidence {
  const files = pseudoFiles(root);
  const ignored: FactNote[] = [];
  return {
    capabilities: attempt(ignored, () => parseCapEff(files.text(PROC_STATUS))),
    lockdown: attempt(ignored, () => parseLockdown(files.text(LOCKDOWN))),
    loadDisabled: readKexecStateOf(files, ignored).loadDisabled,
    loadsLeft: attempt(ignored, () => readLoadsLeft(files, purpose)),
  };
}
