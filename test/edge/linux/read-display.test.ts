/** Displays and graphics cards, read from directories with symbolic links as in sysfs. */

import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { readFacts } from "../../../src/edge/linux/read-facts.ts";
import { factsFromJson, factsToJson } from "../../../src/facts/facts-file.ts";
import {
  BOOT_PARAMS,
  type Files,
  fakeRoot,
  IOMEM,
  LINUX,
  MEMMAP,
  quiet,
  removeFakeRoots,
} from "./fake-machine.ts";

afterAll(removeFakeRoots);

/** Symbolic links: path and target, both relative to the root. */
function displayOf(files: Files, links: Readonly<Record<string, string>>, machine: Files = LINUX) {
  const root = fakeRoot(machine, MEMMAP, BOOT_PARAMS, files);
  for (const [from, to] of Object.entries(links)) {
    mkdirSync(join(root, to), { recursive: true });
    mkdirSync(dirname(join(root, from)), { recursive: true });
    symlinkSync(relative(dirname(join(root, from)), join(root, to)), join(root, from));
  }
  const facts = readFacts({ ...quiet, root });
  expect(factsFromJson(factsToJson(facts))).toEqual(facts);
  return facts.x86_64?.display ?? null;
}

const HOST = "sys/devices/pci0000:00";
const CARD = `${HOST}/0000:00:02.0`;
const resource = "0x0000000080000000 0x0000000080ffffff 0x0000000000042208\n";

const pciFiles: Files = {
  [`${CARD}/class`]: "0x030000\n",
  [`${CARD}/boot_vga`]: "1\n",
  [`${CARD}/resource`]: resource,
  [`${HOST}/0000:00:00.0/class`]: "0x060000\n",
  [`${HOST}/0000:00:03.0/class`]: "broken\n",
};
const pciLinks = {
  "sys/bus/pci/devices/0000:00:00.0": `${HOST}/0000:00:00.0`,
  "sys/bus/pci/devices/0000:00:02.0": CARD,
  "sys/bus/pci/devices/0000:00:03.0": `${HOST}/0000:00:03.0`,
  [`${CARD}/subsystem`]: "sys/bus/pci",
};
const memory = [{ start: 0x80000000n, end: 0x81000000n }];
const card = { path: "pci0000:00/0000:00:02.0", bus: "pci", vga: true, memory };

describe("display", () => {
  test("a card without a driver, and efifb", () => {
    const iomem = `${IOMEM}80000000-80ffffff : 0000:00:02.0\n  80000000-803e7fff : efifb\n`;
    const files = { ...pciFiles, "proc/fb": "0 EFI VGA\n" };
    expect(displayOf(files, pciLinks, { ...LINUX, "proc/iomem": iomem })).toEqual({
      framebuffers: ["EFI VGA"],
      firmwareMemory: { start: 0x80000000n, end: 0x803e8000n },
      devices: [{ ...card, driver: null, drm: false }],
    });
  });

  test("a card that a DRM driver has", () => {
    const links = {
      ...pciLinks,
      [`${CARD}/driver`]: "sys/bus/pci/drivers/bochs-drm",
      "sys/class/drm/card0": `${CARD}/drm/card0`,
      [`${CARD}/drm/card0/device`]: CARD,
      "sys/class/drm/card0-Virtual-1": `${CARD}/drm/card0/card0-Virtual-1`,
    };
    expect(displayOf(pciFiles, links)?.devices).toEqual([
      { ...card, driver: "bochs-drm", drm: true },
    ]);
  });

  test("simpledrm: a device that stands for the firmware's frame buffer", () => {
    const device = `${CARD}/simple-framebuffer.0`;
    const links = {
      ...pciLinks,
      [`${device}/subsystem`]: "sys/bus/platform",
      [`${device}/driver`]: "sys/bus/platform/drivers/simple-framebuffer",
      "sys/class/drm/card0": `${device}/drm/card0`,
      [`${device}/drm/card0/device`]: device,
    };
    expect(displayOf(pciFiles, links)?.devices).toEqual([
      { ...card, driver: null, drm: false },
      {
        path: "pci0000:00/0000:00:02.0/simple-framebuffer.0",
        bus: "platform",
        driver: "simple-framebuffer",
        drm: true,
        vga: false,
        memory: [],
      },
    ]);
  });

  test("a machine without a screen", () => {
    const nothing = { framebuffers: [], firmwareMemory: null, devices: [] };
    expect(displayOf({}, {})).toEqual(nothing);
  });

  test("displays are not read on other architectures than x86_64", () => {
    expect(displayOf({}, {}, { ...LINUX, "proc/sys/kernel/arch": "aarch64\n" })).toBeNull();
  });
});
