/** Reads how far the kernel is locked down: "there is none" differs from "it is not shown". */

import { LOCKDOWN, NO_SECURITYFS, parseLockdown } from "../../facts/lockdown.ts";
import { MOUNTS, mountPoints } from "../../facts/mounts.ts";
import type { FactNote } from "../../model/fact-note.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import { attempt, type PseudoFiles } from "../files/read-pseudo-files.ts";

/**
 * null, and a note with the reason, where the kernel has no lockdown, or does not show it: it does
 * where securityfs is mounted.
 */
export function readLockdown(files: PseudoFiles, notes: FactNote[]): HostFacts["lockdown"] {
  const text = attempt(notes, () => files.optionalText(LOCKDOWN));
  if (text !== null) return attempt(notes, () => parseLockdown(text));
  if (notes.some(({ source }) => source === LOCKDOWN)) return null;
  const mounts = attempt([], () => files.text(MOUNTS));
  const isMounted = mounts !== null && mountPoints(mounts, "securityfs").length > 0;
  notes.push({ source: LOCKDOWN, text: isMounted ? "No such file or directory." : NO_SECURITYFS });
  return null;
}
