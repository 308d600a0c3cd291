/** The note about the screen in plans for kexec_file_load, where the running kernel passes it
 * on. */

import type { HostFacts } from "../../model/host-facts.ts";
import { NO_X86_FACTS } from "../../model/x86-64.ts";
import { type NextScreen, nextScreen } from "./handoff/next-screen.ts";
import { screenAtBoot } from "./handoff/screen-info.ts";

/** The screen that onekexec passes on without `--reuse-video-type` and `--reset-vga`. */
export const screenByFile = (facts: HostFacts): NextScreen =>
  nextScreen({
    ...(facts.x86_64 ?? NO_X86_FACTS),
    xen: facts.xen,
    reuseVideoType: false,
    resetVga: false,
  });

/** As `passesStaleScreen`, with the result of `screenByFile`. */
function isStale({ x86_64, planKinds }: HostFacts, { displayOwner }: NextScreen): boolean {
  const bootParams = x86_64?.bootParams ?? null;
  if (bootParams === null || !planKinds.includes("file")) return false;
  return displayOwner !== null && screenAtBoot(bootParams).orig_video_isVGA !== 0;
}

/** Whether kexec_file_load passes on a screen that is no longer shown: the kernel copies the
 * screen_info of its own boot, even if a driver has reprogrammed the graphics card since.
 * [linux arch/x86/kernel/kexec-bzimage64.c setup_boot_parameters] */
export const passesStaleScreen = (facts: HostFacts): boolean => isStale(facts, screenByFile(facts));

/**
 * One sentence about the screen.
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
