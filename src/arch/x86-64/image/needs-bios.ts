/** Whether the machine has a BIOS, which code that is entered in real mode calls. */

import { failImage } from "../../../core/error.ts";
import type { HostFacts } from "../../../model/host-facts.ts";
import { BootParams } from "../handoff/boot-params.ts";

/** Whether EFI started the running kernel, in which case there is no BIOS: `efi_info` then begins
 * with a signature. [zero-page] */
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
