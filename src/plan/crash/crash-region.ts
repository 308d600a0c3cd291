/** The memory that is reserved for crash kernels, and the error where none is reserved. Pure. */

import { ExitStatus, fail } from "../../core/error.ts";
import {
  isEmpty,
  normalize,
  type Range,
  rangeSize,
  showRange,
  totalSize,
} from "../../core/range.ts";
import { IOMEM } from "../../facts/iomem.ts";
import { hasKernelParameter } from "../../facts/kernel-parameter.ts";
import { noteSentence } from "../../model/fact-note.ts";
import type { HostFacts } from "../../model/host-facts.ts";

/** What `crashkernel=` reserved. */
export interface CrashRegion {
  /**
   * Where all segments of a crash kernel go: of several ranges the highest, the only one in which
   * Linux accepts segments. [linux kernel/kexec_core.c sanity_check_segment_list]
   */
  readonly used: Range;
  /** Every reserved range, `used` being the last: the crash kernel has all of them as RAM. */
  readonly all: readonly Range[];
  /** Further RAM of the crash kernel, which gets no segments, because the running kernel has
   * movable pages there. It is not dumped.
   * [linux kernel/crash_reserve.c reserve_crashkernel_cma] */
  readonly cma: readonly Range[];
  /** The sizes of `used`, and of all that the crash kernel has, in bytes. */
  readonly usedSize: bigint;
  readonly allSize: bigint;
}

/** The memory that is reserved for crash kernels; null where none is. */
export function findCrashRegion({ crashRegions, crashCma: cma }: HostFacts): CrashRegion | null {
  const all = crashRegions;
  const used = all.at(-1);
  if (used === undefined) return null;
  const allSize = totalSize(all) + totalSize(cma);
  return { used, all, cma, usedSize: rangeSize(used), allSize };
}

/** Why no memory is reserved, or what to try. kexec-tools' message, which stands before it, asks
 * for crashkernel=Y@X; the address X is not needed. */
function whyNone({ notes, crashRules, bootCommandLine }: HostFacts): string {
  if (crashRules.reservedWhere !== null) return crashRules.reservedWhere;
  const hidden = notes.find(({ source }) => source === IOMEM);
  if (hidden !== undefined) return noteSentence(hidden);
  return hasKernelParameter(bootCommandLine ?? "", "crashkernel")
    ? "This kernel was booted with crashkernel=, but reserved nothing: see dmesg."
    : "Boot this kernel with crashkernel=256M, for example, and load again.";
}

/**
 * The memory that is reserved for crash kernels, without which none can be loaded.
 * @throws KexecError `plan.no-crash-region` in kexec-tools' words where none is reserved
 */
export function requireCrashRegion(facts: HostFacts): CrashRegion {
  const region = findCrashRegion(facts);
  if (region !== null) return region;
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
 * Checks that no range of the crash kernel's RAM is empty, and that no two overlap.
 * @param low RAM below all reserved ranges that the purgatory saves; null: none
 * @throws KexecError `plan.bad-crash-region` in kexec-tools' words
 */
export function checkCrashRegion({ all: reserved }: CrashRegion, low: Range | null): void {
  const all = low === null ? reserved : [low, ...reserved];
  const isBad = all.some(isEmpty) || totalSize(normalize(all)) < totalSize(all);
  if (!isBad) return;
  fail({
    code: "plan.bad-crash-region",
    message:
      "No crash kernel segment found in /proc/iomem\n" +
      "Please check the crashkernel= boot parameter.",
    hint: `The ranges are ${all.map(showRange).join(", ")}: one is empty, or two overlap.`,
    exitStatus: ExitStatus.noCrashKernel,
  });
}
