/** Linux's rules for plans. They are also the defaults for facts files of earlier versions, which
 * lack them because Linux was the only host. */

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

/** kexec_file_load comes first, since only the kernel's own loader can check signatures; then
 * kexec_load. */
export const LINUX_PLAN_KINDS: readonly PlanKind[] = ["file", "segments"];
