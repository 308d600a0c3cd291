/** x86_64's findings for `--doctor`: Secure Boot, and the EFI, ACPI and screen data that the next
 * kernel gets. */

import { hex } from "../../core/address.ts";
import { EFI } from "../../facts/efi.ts";
import { type FactNote, isAbsent, isOf, noteSentence } from "../../model/fact-note.ts";
import { type ArchFindings, type Finding, finding } from "../../model/finding.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import { passesStaleScreen, screenByFile } from "./file-screen.ts";
import { SECURE_BOOT_AT } from "./handoff/efi-info.ts";
import { whyNoKernel } from "./image/unpack-rules.ts";

/** The file with the boot_params. */
const BOOT_PARAMS = "/sys/kernel/boot_params/data";

/** The value of `secure_boot` in the zero page if the firmware enforces Secure Boot.
 * [linux include/linux/efi.h enum efi_secureboot_mode] */
const SECURE_BOOT_ENABLED = 3;

function secureBoot({ x86_64, notes }: HostFacts): Finding {
  const bootParams = x86_64?.bootParams ?? null;
  if (bootParams === null) {
    return finding("Secure Boot", "note", `not known${reasonOf(notes, BOOT_PARAMS)}`);
  }
  return bootParams[SECURE_BOOT_AT] === SECURE_BOOT_ENABLED
    ? finding("Secure Boot", "note", "is on: kernels must be signed with a trusted key")
    : finding("Secure Boot", "note", "is off, or the firmware does not have it");
}

/** `: ` and what was noted of a file; empty where nothing was. */
function reasonOf(notes: readonly FactNote[], file: FactNote["source"]): string {
  const note = notes.find((one) => isOf(one, file));
  return note === undefined ? "" : `: ${noteSentence(note).replace(/\.$/, "")}`;
}

function efi({ efi: found, notes }: HostFacts): Finding {
  if (found === null) {
    const note = notes.find(({ source }) => source === EFI);
    return note === undefined || isAbsent(note)
      ? finding("EFI", "ok", "no /sys/firmware/efi: no EFI is passed to the next kernel")
      : finding(
          "EFI",
          "note",
          `not known${reasonOf(notes, EFI)}: no EFI is passed to the next kernel`,
        );
  }
  return found.runtimeMap.length > 0
    ? finding("EFI", "ok", "is passed on to kernels that support it (XLF_EFI_KEXEC)")
    : finding("EFI", "note", "cannot be passed on: /sys/firmware/efi has no runtime-map");
}

function acpi({ acpiRsdp }: HostFacts): Finding {
  return acpiRsdp === null
    ? finding("ACPI", "ok", "root pointer (RSDP) not known: the next kernel must search for it")
    : finding("ACPI", "ok", `the root pointer (RSDP) is at ${hex(acpiRsdp)}`);
}

/** The screen that Linux kernels and multiboot images get. */
function screen(facts: HostFacts): Finding {
  const { kind, note } = screenByFile(facts);
  const text = note.replace(/^Screen: /, "").replace(/\.$/, "");
  const hint = passesStaleScreen(facts)
    ? "-s and -a pass on the screen of this kernel's boot; kexec_load (-c) does not pass it on."
    : "";
  const isSure = kind === "framebuffer" || kind === "text";
  return finding("screen", isSure ? "ok" : "note", text, hint);
}

/** Which call makes the fastest reboot; nothing where only one can be used. */
function fastest(facts: HostFacts): Finding[] {
  if (facts.lockdown === "integrity" || facts.lockdown === "confidentiality") return [];
  const why = whyNoKernel(facts);
  return [
    why === null
      ? finding("reboot", "ok", "the fastest is with -c, which unpacks a bzImage before it")
      : finding("reboot", "note", `each bzImage unpacks itself after it: ${why}`),
  ];
}

/** @throws KexecError `struct.truncated` for boot_params that are cut short */
export const findings = (facts: HostFacts): ArchFindings => ({
  firmware: [secureBoot(facts)],
  handoff: [efi(facts), acpi(facts), screen(facts), ...fastest(facts)],
});
