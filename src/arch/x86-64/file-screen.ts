/** Which screen the next kernel gets from kexec_file_load. */

import type { HostFacts } from "../../model/host-facts.ts";
import { NO_X86_FACTS } from "../../model/x86-64.ts";
import { type NextScreen, nextScreen } from "./handoff/next-screen.ts";
import { screenAtBoot } from "./handoff/screen-info.ts";

const screenByFile = (facts: HostFacts): NextScreen =>
  nextScreen({
    ...(facts.x86_64 ?? NO_X86_FACTS),
    xen: facts.xen,
    reuseVideoType: false,
    resetVga: false,
  });

/** As `passesStaleScreen`, where it is known who has the screen. */
function isStale({ x86_64, planKinds }: HostFacts, { displayOwner }: NextScreen): boolean {
  const bootParams = x86_64?.bootParams ?? null;
  if (bootParams === null || !planKinds.includes("file")) return false;
  return displayOwner !== null && screenAtBoot(bootParams).orig_video_isVGA !== 0;
}

/** Whether the running kernel's own loader passes on a screen that is no longer shown: it passes
 * what it was told at boot, whoever has the graphics card since.
 * [linux arch/x86/kernel/kexec-bzimage64.c setup_boot_parameters] */
export const passesStaleScreen = (facts: HostFacts): boolean => isStale(facts, screenByFile(facts));

/** One sentence for a plan for kexec_file_load; none for machines that pass no screen on. */
export function fileScreenNotes(facts: HostFacts): string[] {
  if (facts.architecture !== "x86_64") return [];
  const next = screenByFile(facts);
  const { kind, note, displayOwner } = next;
  if (isStale(facts, next)) {
    return [
      `Screen: what was told at boot, though ${displayOwner}: the running kernel passes it on.`,
    ];
  }
  if (kind === "assumed") return ["Screen: as at boot: the running kernel passes it on itself."];
  if (kind === "none") return [note];
  return [note.replace(/\.$/, "; the running kernel passes it on itself.")];
}
