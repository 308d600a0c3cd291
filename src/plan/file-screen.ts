/** Which screen the next kernel gets from kexec_file_load. */

import { nextScreen } from "../handoff/next-screen.ts";
import { screenAtBoot } from "../handoff/screen-info.ts";
import type { HostFacts } from "../model/host-facts.ts";

/** Whether the running kernel's own loader passes on a screen that is no longer shown: it passes
 * what it was told at boot, whoever has the graphics card since.
 * [linux arch/x86/kernel/kexec-bzimage64.c setup_boot_parameters] */
export function passesStaleScreen(facts: HostFacts): boolean {
  if (facts.architecture !== "x86_64" || facts.bootParams === null) return false;
  if (!facts.planKinds.includes("file")) return false;
  const { taker } = nextScreen({ ...facts, reuseVideoType: false, resetVga: false });
  return taker !== null && screenAtBoot(facts.bootParams).orig_video_isVGA !== 0;
}

/** One sentence for a plan for kexec_file_load; none for machines that pass no screen on. */
export function fileScreenNotes(facts: HostFacts): string[] {
  if (facts.architecture !== "x86_64") return [];
  const { kind, note, taker } = nextScreen({
    ...facts,
    reuseVideoType: false,
    resetVga: false,
  });
  if (passesStaleScreen(facts)) {
    return [`Screen: what was told at boot, though ${taker}: the running kernel passes it on.`];
  }
  if (kind === "assumed") return ["Screen: as at boot: the running kernel passes it on itself."];
  if (kind === "none") return [note];
  return [note.replace(/\.$/, "; the running kernel passes it on itself.")];
}
