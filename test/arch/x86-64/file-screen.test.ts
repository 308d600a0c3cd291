/** What a plan for kexec_file_load says of the screen: Linux's own loader passes it on. */

import { describe, expect, test } from "bun:test";
import { fileNotes, passesStaleScreen } from "../../../src/arch/x86-64/file-screen.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import { machine } from "../../plan/golden.ts";
import { atBoot, card, display, framebuffer } from "./handoff/screens.ts";

const facts = (change: Partial<HostFacts>): HostFacts => ({
  ...machine("qemu-uefi"),
  framebuffer: null,
  bootParams: atBoot(),
  ...change,
});
const taken = display({ devices: [{ ...card, driver: "bochs-drm", drm: true }] });

describe("fileNotes", () => {
  test.each<[string, Partial<HostFacts>, string[]]>([
    [
      "in use",
      { framebuffer },
      [
        'Screen: 1024x768x32 at 0x80000000, as at boot, because "EFI VGA" still draws there; ' +
          "the running kernel passes it on itself.",
      ],
    ],
    [
      "taken",
      { display: taken },
      [
        "Screen: that of the running kernel's boot, though bochs-drm drives 0000:00:02.0: " +
          "kexec_file_load passes it on.",
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
      ["Screen: as at boot: the running kernel passes it on itself."],
    ],
  ])("%s", (_, change, notes) => {
    expect(fileNotes(facts(change))).toEqual(notes);
  });
});

test.each<[Partial<HostFacts>, boolean]>([
  [{ display: taken }, true],
  [{ display: display() }, false],
  [{ display: taken, bootParams: atBoot(0) }, false],
  [{ display: taken, bootParams: null }, false],
  [{ display: taken, planKinds: ["segments"] }, false],
])("passesStaleScreen: %#", (change, stale) => {
  expect(passesStaleScreen(facts(change))).toBe(stale);
});
