/** What Linux demands of plans. Facts files from before there was any host but Linux lack it. */

import type { CrashRules, SegmentRules } from "../model/host-facts.ts";
import type { PlanKind } from "../model/load-plan.ts";

/** [linux include/uapi/linux/kexec.h KEXEC_SEGMENT_MAX; kernel/kexec_core.c] */
export const LINUX_SEGMENT_RULES: SegmentRules = {
  countMax: 16,
  halfOfMemory: true,
  mapped: null,
  guestOwned: null,
};

export const LINUX_CRASH_RULES: CrashRules = {
  hotplug: true,
  needs: ["vmcoreinfo", "kernel-text"],
  reservedWhere: null,
};

/** Both of kexec_file_load and kexec_load; the kernel's own loader first, since only it can check
 * signatures. */
export const LINUX_PLAN_KINDS: readonly PlanKind[] = ["file", "segments"];
