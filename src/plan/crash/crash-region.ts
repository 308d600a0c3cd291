/** The memory that is reserved for crash kernels, and what is said where there is none. Pure. */

import { ExitStatus, fail } from "../../core/error.ts";
import { isEmpty, overlaps, type Range, showRange } from "../../core/range.ts";
import { hasKernelParameter } from "../../facts/kernel-parameter.ts";
import type { HostFacts } from "../../model/host-facts.ts";

/**
 * The region that a crash kernel and all its pieces go into: of several the highest, which is the
 * only one that Linux takes segments for; undefined where none is reserved.
 * [linux kernel/kexec_core.c sanity_check_segment_list]
 */
export const usedCrashRegion = ({ crashRegions }: HostFacts): Range | undefined =>
  crashRegions.at(-1);

/** Why there is none, or what to try. kexec-tools' words ask for an address, which nobody needs. */
function whyNone({ notes, crashRules, bootCommandLine }: HostFacts): string {
  const hidden = notes.find((note) => note.startsWith("/proc/iomem:"));
  const said = crashRules.reservedWhere ?? hidden;
  if (said !== undefined) return said;
  return hasKernelParameter(bootCommandLine ?? "", "crashkernel")
    ? "This kernel was started with crashkernel=, and reserved nothing: see dmesg for it."
    : "Start this kernel with crashkernel=256M, for example, and load again.";
}

/**
 * The region of `usedCrashRegion`, which must be there.
 * @throws KexecError `plan.no-crash-region` in kexec-tools' words
 */
export function crashRegion(facts: HostFacts): Range {
  const region = usedCrashRegion(facts);
  if (region !== undefined) return region;
  return fail({
    code: "plan.no-crash-region",
    message:
      "Memory for crashkernel is not reserved\n" +
      'Please reserve memory by passing"crashkernel=Y@X" parameter to kernel\n' +
      "Then try to loading kdump kernel",
    hint: whyNone(facts),
    exitStatus: ExitStatus.general,
  });
}

/**
 * All regions, which the crash kernel may use as its RAM.
 * @param low memory that is saved for it to use, below all regions; null: none
 * @throws KexecError `plan.bad-crash-region` in kexec-tools' words, where what is reserved cannot
 *   be what it says
 */
export function crashRegions(facts: HostFacts, low: Range | null): readonly Range[] {
  const regions = facts.crashRegions;
  const all = low === null ? regions : [low, ...regions];
  const bad = all.findIndex((r, i) => isEmpty(r) || all.slice(0, i).some((o) => overlaps(o, r)));
  if (bad < 0) return regions;
  return fail({
    code: "plan.bad-crash-region",
    message:
      "No crash kernel segment found in /proc/iomem\n" +
      "Please check the crashkernel= boot parameter.",
    hint: `The ranges are ${all.map(showRange).join(", ")}: one is empty, or two overlap.`,
    exitStatus: ExitStatus.noCrashKernel,
  });
}
