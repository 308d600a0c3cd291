/** What `--doctor` says of x86: the firmware's Secure Boot, and what is passed on. */

import { describe, expect, test } from "bun:test";
import { findings } from "../../../src/arch/x86-64/findings.ts";
import { SECURE_BOOT_AT } from "../../../src/arch/x86-64/handoff/efi-info.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import { NO_X86_FACTS, type X86Facts } from "../../../src/model/x86-64.ts";
import { machine } from "../../plan/golden.ts";
import { atBoot, withScreen } from "./handoff/screens.ts";

const UEFI = machine("qemu-uefi");

describe("Secure Boot, by secure_boot of the zero page", () => {
  const enabled = "is on: kernels must be signed with a trusted key";
  const off = "is off, or the firmware does not have it";
  test.each([
    ["unset", 0, off],
    ["unknown", 1, off],
    ["disabled", 2, off],
    ["enabled", 3, enabled],
  ])("%s", (_, mode, text) => {
    const bootParams = atBoot(0x70, { [SECURE_BOOT_AT]: mode });
    expect(findings(withScreen(UEFI, { bootParams })).firmware).toEqual([
      { subject: "Secure Boot", verdict: "note", text, hint: "" },
    ]);
  });

  test("without boot_params", () => {
    const hidden = withScreen(UEFI, { bootParams: null });
    expect(findings(hidden).firmware[0]?.text).toBe("not known");
    const source = "/sys/kernel/boot_params/data";
    const notes = [{ source, text: "Permission denied." }] as const;
    expect(findings({ ...hidden, notes }).firmware[0]?.text).toBe(
      `not known: ${source}: Permission denied`,
    );
  });
});

describe("the handoff", () => {
  test("is said of EFI, ACPI and the screen, in this order, and then of the reboot", () => {
    const subjects = findings(UEFI).handoff.map(({ subject }) => subject);
    expect(subjects).toEqual(["EFI", "ACPI", "screen", "reboot"]);
  });

  const cpu = { fiveLevelPaging: false, virtualBits: 48, encryptedMemory: false };
  const on = (own: Partial<X86Facts>, more: Partial<HostFacts> = {}): HostFacts => ({
    ...UEFI,
    x86_64: { ...NO_X86_FACTS, ...cpu, ...own },
    ...more,
  });
  test.each<[string, HostFacts, string | undefined]>([
    ["where it can be", on({}), "ok: the fastest is with -c, which unpacks a bzImage before it"],
    [
      "encrypted memory",
      on({ encryptedMemory: true }),
      "note: each bzImage unpacks itself after it: this machine's memory is encrypted " +
        "(SME, SEV or TDX)",
    ],
    [
      "unknown paging",
      on({ fiveLevelPaging: null }),
      "note: each bzImage unpacks itself after it: it is not known whether 5-level page tables " +
        "are in use",
    ],
    [
      "a host that maps only segments",
      on({}, { segmentRules: machine("qemu-2g-xen").segmentRules }),
      "note: each bzImage unpacks itself after it: this host maps only what is in a segment",
    ],
    ["a kernel that is locked down", on({}, { lockdown: "integrity" }), undefined],
  ])("the fastest reboot: %s", (_, facts, text) => {
    const found = findings(facts).handoff.find(({ subject }) => subject === "reboot");
    expect(found && `${found.verdict}: ${found.text}`).toBe(text);
  });

  const bare = UEFI.efi === null ? null : { ...UEFI.efi, runtimeMap: [] };
  test.each<[string, string, Partial<HostFacts>, string, string]>([
    ["the map", "EFI", {}, "ok", "is passed on to kernels that support it (XLF_EFI_KEXEC)"],
    [
      "none",
      "EFI",
      { efi: null },
      "ok",
      "no /sys/firmware/efi: no EFI is passed to the next kernel",
    ],
    [
      "no map",
      "EFI",
      { efi: bare },
      "note",
      "cannot be passed on: /sys/firmware/efi has no runtime-map",
    ],
    ["an address", "ACPI", { acpiRsdp: 0xf52a0n }, "ok", "the root pointer (RSDP) is at 0xf52a0"],
    [
      "none",
      "ACPI",
      { acpiRsdp: null },
      "ok",
      "root pointer (RSDP) not known: the next kernel must search for it",
    ],
  ])("%s of %s", (_, subject, change, verdict, text) => {
    const found = findings({ ...UEFI, ...change }).handoff.find((f) => f.subject === subject);
    expect<object | undefined>(found).toEqual({ subject, verdict, text, hint: "" });
  });
});
