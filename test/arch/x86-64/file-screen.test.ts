/** What a plan for kexec_file_load says of the screen: Linux's own loader passes it on. */

import { describe, expect, test } from "bun:test";
import { fileNotes, passesStaleScreen } from "../../../src/arch/x86-64/file-screen.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import type { X86Facts } from "../../../src/model/x86-64.ts";
import { machine } from "../../plan/golden.ts";
import { atBoot, card, display, framebuffer, withScreen } from "./handoff/screens.ts";

const facts = (screen: Partial<X86Facts>, change: Partial<HostFacts> = {}): HostFacts => ({
  ...withScreen(machine("qemu-uefi"), { framebuffer: null, bootParams: atBoot(), ...screen }),
  ...change,
});
const taken = display({ devices: [{ ...card, driver: "bochs-drm", drm: true }] });

describe("fileNotes", () => {
  test.each<[string, Partial<X86Facts>, string[]]>([
    [
      "in use",
      { framebuffer },
      [
        'Screen: 1024x768x32 at 0x80000000, as at boot, because "EFI VGA" still draws on it; ' +
          "kexec_file_load passes it on.",
      ],
    ],
    [
      "taken",
      { display: taken },
      [
        "Screen: kexec_file_load passes on the screen of the running kernel's boot, although " +
          "bochs-drm drives 0000:00:02.0.",
      ],
    ],
    [
      "nothing was told at boot",
      { display: taken, bootParams: atBoot(0) },
      ["Screen: none, because bochs-drm drives 0000:00:02.0."],
    ],
    [
      "not known",
      { bootParams: null },
      ["Screen: kexec_file_load passes on the screen of the running kernel's boot."],
    ],
  ])("%s", (_, change, notes) => {
    expect(fileNotes(facts(change))).toEqual(notes);
  });
});

test.each<[string, Partial<X86Facts>, Partial<HostFacts>, boolean]>([
  ["a driver has the card", { display: taken }, {}, true],
  ["nobody has it", { display: display() }, {}, false],
  ["there was no screen at boot", { display: taken, bootParams: atBoot(0) }, {}, false],
  ["boot_params cannot be read", { display: taken, bootParams: null }, {}, false],
  ["the host takes no files", { display: taken }, { planKinds: ["segments"] }, false],
])("passesStaleScreen, where %s", (_, screen, change, stale) => {
  expect(passesStaleScreen(facts(screen, change))).toBe(stale);
});
