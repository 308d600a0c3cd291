/** Reads the files that tell why a kexec call failed with EPERM; called after the failure. */

import { kernelParameterValue } from "../../facts/kernel-parameter.ts";
import { KEXEC_STATE_FILES } from "../../facts/kexec-state.ts";
import { LOCKDOWN } from "../../facts/lockdown.ts";
import { PROC_STATUS, parseCapEff } from "../../facts/proc-status.ts";
import { parseNumber } from "../../facts/sysfs-number.ts";
import { type FactNote, isAbsent, isOf, noteSentence } from "../../model/fact-note.ts";
import type { ImagePurpose } from "../../model/purpose.ts";
import { attempt, type PseudoFiles, pseudoFiles } from "../files/read-pseudo-files.ts";
import type { RefusalEvidence } from "./explain-refusal.ts";
import { linuxPurpose } from "./purposes.ts";
import { readKexecStateOf } from "./read-kexec-state.ts";
import { readLockdown } from "./read-lockdown.ts";

const CMDLINE = "/proc/cmdline";
const [LOAD_DISABLED] = KEXEC_STATE_FILES.loadDisabled;

/** Loads left for `purpose`; null for no limit, which the file shows as -1, and before Linux 6.3.
 * [linux kernel/kexec_core.c kexec_core_sysctls] */
function readLoadsLeft(files: PseudoFiles, purpose: ImagePurpose): bigint | null {
  const file = `/proc/sys/kernel/kexec_load_limit_${linuxPurpose(purpose).limit}`;
  const text = files.optionalText(file);
  return text === null || text.startsWith("-") ? null : parseNumber(text, file);
}

/** The evidence of this machine about a failed load or unload for `purpose`. Does not throw for
 * files that are missing or damaged.
 *
 * @param root the directory that stands for `/`
 */
export function readRefusalEvidence(purpose: ImagePurpose, root = "/"): RefusalEvidence {
  const files = pseudoFiles(root);
  const notes: FactNote[] = [];
  const capabilities = attempt(notes, () => parseCapEff(files.text(PROC_STATUS)));
  const lockdown = readLockdown(files, notes);
  const { loadDisabled } = readKexecStateOf(files, notes);
  const loadsLeft = attempt(notes, () => readLoadsLeft(files, purpose));
  const line = attempt([], () => files.text(CMDLINE)) ?? "";
  const isAsked = (note: FactNote): boolean => isOf(note, PROC_STATUS, LOCKDOWN, LOAD_DISABLED);
  return {
    ...{ capabilities, lockdown, loadDisabled, loadsLeft },
    lockdownParameter: kernelParameterValue(line.replace(/\n$/, ""), "lockdown"),
    // A kernel without these has nothing of the kind that could refuse.
    unreadable: notes.filter((note) => isAsked(note) && !isAbsent(note)).map(noteSentence),
  };
}
