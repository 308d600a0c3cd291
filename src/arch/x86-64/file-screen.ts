/** What a plan for kexec_file_load says: which screen the next kernel gets from the running one. */

import type { HostFacts } from "../../model/host-facts.ts";
import { NO_X86_FACTS } from "../../model/x86-64.ts";
import { type NextScreen, nextScreen } from "./handoff/next-screen.ts";
import { screenAtBoot } from "./handoff/screen-info.ts";

/** The screen that is passed on where no option says otherwise. */
export const screenByFile = (facts: HostFacts): NextScreen =>
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

/**
 * One sentence of the screen.
 * @throws KexecError `struct.truncated` for boot_params that are cut short
 */
export function fileNotes(facts: HostFacts): string[] {
  const next = screenByFile(facts);
  const { kind, note, displayOwner } = next;
  if (isStale(facts, next)) {
    return [
      "Screen: kexec_file_load passes on the screen of the running kernel's boot, although " +
        `${displayOwner}.`,
    ];
  }
  if (kind === "assumed") {
    return ["Screen: kexec_file_load passes on the screen of the running kernel's boot."];
  }
  if (kind === "none") return [note];
  return [note.replace(/\.$/, "; kexec_file_load passes it on.")];
}
