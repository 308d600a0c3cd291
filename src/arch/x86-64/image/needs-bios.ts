/** Whether there is a BIOS to call for code that is entered in real mode. */

import { failImage } from "../../../core/error.ts";
import type { HostFacts } from "../../../model/host-facts.ts";
import { BootParams } from "../handoff/boot-params.ts";

/** Where it did, there is no BIOS. `efi_info` begins with a signature where it was EFI that started
 * the kernel. [zero-page] */
export function startedByEfi({ efi, x86_64 }: HostFacts): boolean {
  if (efi !== null) return true;
  const bootParams = x86_64?.bootParams ?? null;
  if (bootParams === null) return false;
  return BootParams.read(bootParams)
    .efi_info.subarray(0, 4)
    .some((byte) => byte !== 0);
}

/** @throws ImageError `image.real-mode` for a machine without a BIOS */
export function requireBios(facts: HostFacts): void {
  if (!startedByEfi(facts)) return;
  failImage({
    code: "image.real-mode",
    message: "real-mode code calls the BIOS, but EFI started this machine, so there is none",
    hint: "Load a Linux kernel without --real-mode.",
  });
}
