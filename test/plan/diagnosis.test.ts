/** The findings of `--doctor`. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { factsFromJson } from "../../src/facts/facts-file.ts";
import type { HostProbe } from "../../src/model/backend.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";
import { diagnose, diagnosisText, type ExaminedHost } from "../../src/plan/diagnosis.ts";
import { atBoot, card, display, withScreen } from "../arch/x86-64/handoff/screens.ts";

const machine = (name: string): HostFacts =>
  factsFromJson(readFileSync(join(import.meta.dir, `../facts/machines/${name}.json`), "utf8"));
const BIOS = machine("qemu-1g-bios");

const probe = (kind: HostProbe["kind"], works: boolean): HostProbe => ({
  kind,
  call: kind === "file" ? "kexec_file_load" : "kexec_load",
  works,
  why: works ? null : "Operation not permitted",
  hint: works ? null : "Run kexec as root.",
});

const linux = (file: boolean, segments: boolean): ExaminedHost => ({
  name: "Linux",
  evidence: ["no Xen"],
  probes: [probe("file", file), probe("segments", segments)],
  loaded: false,
  crashLoaded: true,
});

const lines = (facts: HostFacts, host = linux(true, true)): string =>
  diagnosisText(diagnose(facts, host)).join("\n");

describe("whether a kernel can be loaded", () => {
  const blind = { ...BIOS, memoryMap: null };
  test.each([
    ["with both calls", BIOS, linux(true, true), true],
    ["with kexec_file_load alone", BIOS, linux(true, false), true],
    ["with kexec_load alone", BIOS, linux(false, true), true],
    ["with neither", BIOS, linux(false, false), false],
    ["without a memory map, by kexec_file_load", blind, linux(true, false), true],
    ["without a memory map, by kexec_load", blind, linux(false, true), false],
    ["where there is no host", BIOS, { refusal: "a PVH dom0", hint: "boot it PV" }, false],
  ] as const)("%s", (_, facts, host, canLoad) => {
    const found = diagnose(facts, host);
    expect(found.canLoad).toBe(canLoad);
    expect(diagnosisText(found).at(-1)).toBe(
      canLoad ? "A kernel can be loaded here." : "No kernel can be loaded here.",
    );
  });
});

test("findings of what does not work have the reason, and what to do", () => {
  const text = lines(BIOS, linux(false, true));
  expect(text).toMatch(/^no {4}kexec_file_load +Operation not permitted\n +Run kexec as root\.$/m);
  expect(text).toMatch(/^ok {4}kexec_load +can be used$/m);
});

test.each<[string, Partial<HostFacts>, RegExp]>([
  ["no capability", { capabilities: 0n }, /^no {4}privilege +this process lacks CAP_SYS_BOOT$/m],
  ["lockdown", { lockdown: "integrity" }, /^note {2}lockdown +integrity: only -s/m],
  [
    "an architecture without plans",
    { architecture: "arm64", machine: "aarch64" },
    /^no {4}architecture +kexec makes no plans for aarch64\n/m,
  ],
  [
    "the sysctl",
    { kexec: { ...BIOS.kexec, loadDisabled: true } },
    /^no {4}sysctl +kernel.kexec_load_disabled is 1\n +Nothing can be loaded until the next boot/m,
  ],
  ["no crash region", { crashRegions: [] }, /^note {2}crash memory +none is reserved$/m],
  [
    "a small one",
    { crashRegions: [{ start: 0x1000000n, end: 0x5000000n }] },
    /^note {2}crash memory +64 MiB at 0x1000000, probably too little$/m,
  ],
  [
    "a large one",
    { crashRegions: [{ start: 0x1000000n, end: 0x11000000n }] },
    /^ok {4}crash memory +256 MiB at 0x1000000$/m,
  ],
  [
    "a small one with CMA",
    {
      crashRegions: [{ start: 0x1000000n, end: 0x5000000n }],
      crashCma: [{ start: 0x10000000n, end: 0x18000000n }],
    },
    /^ok {4}crash memory +64 MiB at 0x1000000, and 128 MiB of CMA$/m,
  ],
  [
    "no memory map",
    { memoryMap: null },
    /^no {4}memory map +no source of the memory map can be read/m,
  ],
])("%s", (_name, changes, words) => {
  expect(lines({ ...BIOS, ...changes })).toMatch(words);
});

test("what the next kernel gets: EFI, ACPI, a screen", () => {
  const text = lines(machine("qemu-uefi"));
  expect(text).toMatch(/^ok {4}EFI +is passed on to kernels that support it \(XLF_EFI_KEXEC\)$/m);
  expect(text).toMatch(/^ok {4}ACPI +the root pointer \(RSDP\) is at 0x[0-9a-f]+$/m);
  expect(text).toMatch(/^ok {4}screen +\d+x\d+x32 at 0x[0-9a-f]+, as at boot, because "EFI VGA"/m);
  expect(text).toContain("kernel: not loaded; crash kernel: loaded");
});

describe("the screen that is passed on", () => {
  const taken = display({ devices: [{ ...card, driver: "i915", drm: true }] });
  const hint = "-s and -a pass on the screen of this kernel's boot";
  test.each<[string, Partial<HostFacts>, RegExp, boolean]>([
    ["VGA text", {}, /^ok {4}screen +VGA text of 80x25, as at boot/m, false],
    [
      "a driver has the card",
      withScreen(BIOS, { bootParams: atBoot(), display: taken }),
      /^note {2}screen +none, because i915 drives 0000:00:02\.0$/m,
      true,
    ],
    [
      "the same for a host that takes no files",
      {
        ...withScreen(BIOS, { bootParams: atBoot(), display: taken }),
        planKinds: ["segments"],
      },
      /^note {2}screen +none, because i915 drives 0000:00:02\.0$/m,
      false,
    ],
    [
      "not known",
      withScreen(BIOS, { bootParams: null }),
      /^note {2}screen +VGA text of 80x25 is assumed/m,
      false,
    ],
    ["no x86", { architecture: "arm64" }, /^note {2}screen +not passed on: only x86/m, false],
  ])("%s", (_, change, words, hinted) => {
    const text = lines({ ...BIOS, ...change });
    expect(text).toMatch(words);
    expect(text.includes(hint)).toBe(hinted);
  });

  test("in a dom0 it comes from Xen", () => {
    expect(lines(machine("qemu-2g-xen"))).toMatch(
      /^(ok {2}|note) {2}screen +.*as Xen passed it to dom0/m,
    );
  });
});

test("under Xen: how much memory is guest-owned, or that this is not known", () => {
  const xen = machine("qemu-2g-xen");
  expect(lines(xen)).toMatch(/^ok {4}safe memory +the largest range that the hypervisor does not/m);
  const blind = { ...xen, segmentRules: { ...xen.segmentRules, guestOwned: [] } };
  expect(lines(blind)).toMatch(
    /^note {2}safe memory +Xen does not report which memory its guests own$/m,
  );
});

test("without facts there are the reason and the host's findings", () => {
  const found = diagnose(
    { unreadable: "Could not get memory layout", hint: "modprobe" },
    linux(true, true),
  );
  expect(found.canLoad).toBe(false);
  expect(diagnosisText(found).join("\n")).toMatch(
    /^no {4}memory map +Could not get memory layout$/m,
  );
});

describe("a kernel that takes signed images only", () => {
  const locked: HostFacts = { ...BIOS, lockdown: "integrity" };
  const note = { source: "/sys/kernel/security/lockdown" } as const;
  const text = "securityfs is not mounted on /sys/kernel/security.";
  const hidden: HostFacts = { ...BIOS, lockdown: null, notes: [{ ...note, text }] };
  const asked = { ...hidden, bootCommandLine: "quiet lockdown=integrity" };
  const none = { ...hidden, notes: [{ ...note, text: "No such file or directory." }] };
  const SIGNED = "A kernel can be loaded here if it is signed by a key that this kernel trusts.";

  test.each([
    ["locked down", locked, linux(true, false), SIGNED],
    ["perhaps", hidden, linux(true, false), SIGNED],
    ["by its command line", asked, linux(true, false), SIGNED],
    ["by its command line, but it takes kexec_load", asked, linux(true, true), "here."],
    ["no lockdown, and no kexec_load", none, linux(true, false), "here."],
    ["locked down, without kexec_file_load", locked, linux(false, false), "No kernel can"],
  ])("%s", (_, facts, host, conclusion) => {
    const last = diagnosisText(diagnose(facts, host)).at(-1);
    expect(last).toContain(conclusion);
    expect(diagnose(facts, host).signedOnly).toBe(conclusion === SIGNED);
  });

  test("what is known of it", () => {
    expect(lines(none)).toMatch(/lockdown +this kernel has none$/m);
    expect(lines(hidden)).toMatch(/lockdown +not known: .*securityfs is not mounted/m);
    expect(lines(hidden)).toContain("mount -t securityfs securityfs /sys/kernel/security");
    expect(lines(asked)).toMatch(/lockdown +lockdown=integrity on the command line; not known/m);
  });
});
