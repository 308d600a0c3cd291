/** What a crash kernel must be told: notes, vmcoreinfo, the kernel's mapping. */

import { describe, expect, test } from "bun:test";
import { ELF64_IDENT, Elf64_Ehdr, Elf64_Phdr } from "../../src/core/elf.ts";
import { parseCrashNotes, parseVmcoreinfoPlace } from "../../src/facts/crash-notes.ts";
import { iomemDumpRanges, iomemKernelCode, parseIomem } from "../../src/facts/iomem.ts";
import {
  findStext,
  kernelMapping,
  pageOffsetOf,
  parseKcore,
  USUAL_PAGE_OFFSET,
} from "../../src/facts/kernel-text.ts";
import { refusal } from "../kexec-error.ts";
import { survivesDamage, textSurvivesDamage } from "./damage.ts";

const FILE = "/sys/devices/system/cpu/cpu0/crash_notes";

describe("notes of a CPU", () => {
  test.each([
    ["7e83a400\n", "368\n", 0x7e83a400n, 368n],
    ["0x7e83a400\n", "368", 0x7e83a400n, 368n],
    ["17e83a400\n", null, 0x17e83a400n, 1024n],
  ])("%j, %j", (notes, size, start, length) => {
    expect(parseCrashNotes(notes, size, FILE)).toEqual({ start, end: start + length });
  });

  test.each([
    ["", "368\n"],
    ["xyz\n", "368\n"],
    ["7e83a400\n", "many\n"],
    ["7e83a400\n", ""],
    ["00000000000000000\n", null],
    ["0\n", "368\n"],
    ["7e83a400\n", "0\n"],
    ["ffffffffffffffff\n", "368\n"],
    ["7e83a400\n", "99999999999\n"],
  ])("%j, %j is refused", (notes, size) => {
    expect(refusal(() => parseCrashNotes(notes, size, FILE)).message).toStartWith(
      `Cannot parse ${FILE}`,
    );
  });

  test("it says which of the two files it was", () => {
    expect(refusal(() => parseCrashNotes("7e83a400\n", "many\n", FILE)).message).toBe(
      `Cannot parse ${FILE}_size: "many\\n"`,
    );
  });

  test("whatever is there, they are found or refused", () => {
    textSurvivesDamage("7e83a400\n", (text) => parseCrashNotes(text, "368\n", FILE));
    textSurvivesDamage("368\n", (text) => parseCrashNotes("7e83a400\n", text, FILE));
  });
});

describe("vmcoreinfo", () => {
  test.each(["0x000000000134c000 1024\n", "134c000 1024\n"])("%j", (text) => {
    expect(parseVmcoreinfoPlace(text)).toEqual({ start: 0x134c000n, end: 0x134d024n });
  });

  test.each([
    "",
    "134c000\n",
    "134c000 \n",
    "134c000 10 24\n",
    "zz 10\n",
    "0 1024\n",
    "134c000 0\n",
    "134c000 ffffffffff\n",
  ])("%j", (text) => {
    const error = refusal(() => parseVmcoreinfoPlace(text));
    expect(error.code).toBe("facts.vmcoreinfo");
    expect(error.message).toStartWith("Cannot parse /sys/kernel/vmcoreinfo: ");
  });

  test("whatever is there, it is found or refused", () => {
    textSurvivesDamage("0x000000000134c000 1024\n", parseVmcoreinfoPlace);
  });
});

function kcore(loads: readonly (readonly [bigint, bigint])[], more: object = {}): Uint8Array {
  const bytes = new Uint8Array(64 + (loads.length + 1) * 56);
  Elf64_Ehdr.write(bytes, {
    e_ident: ELF64_IDENT,
    e_phoff: 64n,
    e_phentsize: 56,
    e_phnum: loads.length + 1,
    ...more,
  });
  Elf64_Phdr.write(bytes, { p_type: 4, p_memsz: 9n }, 64);
  loads.forEach(([p_vaddr, p_memsz], i) => {
    Elf64_Phdr.write(bytes, { p_type: 1, p_vaddr, p_memsz }, 64 + (i + 1) * 56);
  });
  return bytes;
}

const TEXT = 0xffffffff86200000n;
const DIRECT = 0xff181b5a00001000n;
const LOADS = [
  [TEXT, 0x3430000n],
  [0xff2e000000000000n, 0x1fffffffffn],
  [DIRECT, 0x9e000n],
] as const;

describe("the kernel's mapping", () => {
  const mappings = parseKcore(kcore(LOADS));

  test("is the one with _stext", () => {
    const stext = findStext(`0000000000000000 A fixed\n${TEXT.toString(16)} T _stext\nx y z\n`);
    expect(stext).toBe(TEXT);
    expect(kernelMapping(mappings, stext)).toEqual({ start: TEXT, end: TEXT + 0x3430000n });
  });

  test("is known by its place where kallsyms hides the symbol", () => {
    expect(findStext("0000000000000000 T _stext\n")).toBeNull();
    expect(findStext("ffffffff86200000 T _stext_end\n")).toBeNull();
    expect(kernelMapping(mappings, null)?.start).toBe(TEXT);
  });

  test("begins at a MiB and ends at a page", () => {
    const odd = parseKcore(kcore([[TEXT + 0x1234n, 0x10001n]]));
    expect(kernelMapping(odd, TEXT + 0x2000n)).toEqual({ start: TEXT, end: TEXT + 0x12000n });
  });

  test("is none where nothing is mapped there", () => {
    expect(kernelMapping(parseKcore(kcore([[DIRECT, 0x1000n]])), TEXT)).toBeNull();
  });

  test("all of memory begins at the lowest mapping, at a GiB", () => {
    expect(pageOffsetOf(mappings)).toBe(0xff181b5a00000000n);
    expect(pageOffsetOf([])).toBe(USUAL_PAGE_OFFSET);
  });

  test.each([
    ["nothing", new Uint8Array(0)],
    ["a header that is cut short", kcore([]).subarray(0, 63)],
    ["another file", new Uint8Array(200)],
    ["headers of another size", kcore([], { e_phentsize: 32 })],
    ["headers behind the end", kcore([], { e_phoff: 1n << 40n })],
  ])("%s is refused", (_name, bytes) => {
    expect(refusal(() => parseKcore(bytes)).code).toBe("facts.kcore");
  });

  test("headers that were not read to their end are refused, and never a crash", () => {
    const whole = kcore(LOADS);
    for (let length = 64; length < whole.length; length += 1) {
      const { message } = refusal(() => parseKcore(whole.subarray(0, length)));
      expect(message).toStartWith("ELF core (kcore) parse failed: ");
    }
    expect(parseKcore(Buffer.concat([whole, new Uint8Array(100)]))).toEqual(mappings);
    survivesDamage(whole, parseKcore);
  });

  test("what ends beyond 64 bits ends there", () => {
    const end = 1n << 64n;
    expect(parseKcore(kcore([[end - 0x1000n, 0x2000n]]))).toEqual([{ start: end - 0x1000n, end }]);
  });
});

test("a dump has RAM by every name, without a graphics aperture", () => {
  const { resources } = parseIomem(
    [
      "00000000-00000fff : Reserved",
      "00001000-0009fbff : System RAM",
      "00100000-7ffdffff : System RAM",
      "  01000000-01ffffff : Kernel code",
      "  6e000000-7dffffff : Crash kernel",
      "  40000000-43ffffff : GART",
      "7ffe0000-7fffffff : ACPI Tables",
      "100000000-1ffffffff : Persistent Memory",
      "  140000000-17fffffff : System RAM (kmem)",
      "fed00000-fed003ff : HPET 0",
      "",
    ].join("\n"),
  );
  expect(iomemKernelCode(resources)).toBe(0x1000000n);
  expect(iomemDumpRanges(resources).map(({ start, end, type }) => [start, end, type])).toEqual([
    [0n, 0x1000n, "reserved"],
    [0x1000n, 0x9fc00n, "ram"],
    [0x100000n, 0x40000000n, "ram"],
    [0x44000000n, 0x7ffe0000n, "ram"],
    [0x7ffe0000n, 0x80000000n, "acpi"],
    [0x100000000n, 0x200000000n, "pmem"],
    [0x140000000n, 0x180000000n, "ram"],
  ]);
});
