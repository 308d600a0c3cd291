import { describe, expect, test } from "bun:test";
import {
  firmwareFramebufferMemory,
  parsePciClass,
  parsePciMemory,
  parseProcFb,
} from "../../src/facts/display.ts";
import { parseIomem } from "../../src/facts/iomem.ts";

test.each([
  ["", []],
  ["0 EFI VGA\n", ["EFI VGA"]],
  ["0 i915drmfb\n1 \n10 simple\n", ["i915drmfb", "", "simple"]],
  ["no number\n", []],
])("parseProcFb(%j)", (text, names) => {
  expect(parseProcFb(text)).toEqual(names);
});

test.each([
  ["0x030000\n", true, true],
  ["0x030200\n", true, false],
  ["0x038000\n", true, false],
  ["0x060400\n", false, false],
  ["0x000300\n", false, false],
])("parsePciClass(%j)", (text, display, vga) => {
  expect(parsePciClass(text, "class")).toEqual({ display, vga });
});

test("a class that is no number", () => {
  expect(() => parsePciClass("vga\n", "/sys/x/class")).toThrow("/sys/x/class");
});

describe("parsePciMemory", () => {
  // QEMU's VGA with Linux 6.1.
  const RESOURCE = `0x0000000080000000 0x0000000080ffffff 0x0000000000042208
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x0000000081010000 0x0000000081010fff 0x0000000000040200
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x000000000000c000 0x000000000000c07f 0x0000000000040101
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x00000000000c0000 0x00000000000dffff 0x0000000000000212
`;
  test("its BARs in memory; no ports, no ROM", () => {
    expect(parsePciMemory(RESOURCE)).toEqual([
      { start: 0x80000000n, end: 0x81000000n },
      { start: 0x81010000n, end: 0x81011000n },
    ]);
  });

  test.each([
    ["", 0],
    ["0x0 0xfff\n", 0],
    ["garbage\n0x1000 0x1fff 0x200\n", 1],
    ["0x2000 0x1fff 0x200\n", 0],
    ["0x0 0xffffffffffffffff 0x200\n", 1],
  ])("%j", (text, count) => {
    expect(parsePciMemory(text)).toHaveLength(count);
  });
});

describe("firmwareFramebufferMemory", () => {
  const of = (...lines: string[]) =>
    firmwareFramebufferMemory(
      parseIomem(["00000000-00000fff : Reserved", ...lines].join("\n")).resources,
    );
  const card = "80000000-80ffffff : 0000:00:02.0";

  test.each([
    [["  80000000-802fffff : BOOTFB", "    80000000-802fffff : simpledrm"], 0x80300000n],
    [["  80000000-803e7fff : efifb"], 0x803e8000n],
    [["  80000000-80ffffff : vesafb"], 0x81000000n],
    [["  80000000-802fffff : efidrm"], 0x80300000n],
  ])("%j", (lines, end) => {
    expect(of(card, ...lines)).toEqual({ start: 0x80000000n, end });
  });

  test("none where another driver has it", () => {
    expect(of(card, "  80000000-80ffffff : bochs-drm")).toBeNull();
  });
});
