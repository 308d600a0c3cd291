import { afterAll, describe, expect, test } from "bun:test";
import { sentencesOf } from "../../facts/sentences.ts";
import {
  auxvOf,
  BOOT_PARAMS,
  type Files,
  IOMEM,
  LINUX,
  MEMMAP,
  memmap,
  read,
  removeFakeRoots,
} from "./fake-machine.ts";

afterAll(removeFakeRoots);

describe("the source of the memory map", () => {
  const fromIomem = [
    { start: 0x0n, end: 0x1000n, type: "reserved" },
    { start: 0x1000n, end: 0x9fc00n, type: "ram" },
    { start: 0x100000n, end: 0x3ffe0000n, type: "ram" },
  ];

  test("with add_efi_memmap at the end of a long command line it is /proc/iomem", () => {
    const line = `${"quiet ".repeat(200)}add_efi_memmap\n`;
    const facts = read(LINUX, MEMMAP, { "proc/cmdline": line });
    expect(facts.memoryMap).toMatchObject({ source: "iomem", ranges: fromIomem });
    expect(sentencesOf(facts).join()).toContain("booted with add_efi_memmap");
  });

  test("a parameter that only contains add_efi_memmap has no effect", () => {
    const facts = read(LINUX, MEMMAP, { "proc/cmdline": "not_add_efi_memmap\n" });
    expect(facts.memoryMap?.source).toBe("firmware-memmap");
  });

  test.each<[string, Files]>([
    ["missing", {}],
    ["empty", { "sys/firmware/memmap/.keep": "" }],
    ["damaged", { ...MEMMAP, "sys/firmware/memmap/1/start": "?\n" }],
    [
      "without a type",
      { "sys/firmware/memmap/0/start": "0x0", "sys/firmware/memmap/0/end": "0x1" },
    ],
  ])("with a memmap that is %s it is /proc/iomem, with a note", (_, files) => {
    const facts = read(LINUX, files);
    expect(facts.memoryMap).toMatchObject({ source: "iomem", ranges: fromIomem });
    expect(sentencesOf(facts)).toContain(
      "/sys/firmware/memmap cannot be used, so the memory map is from /proc/iomem.",
    );
  });

  test("overlaps in the firmware's map are removed", () => {
    const files = memmap(["0x1000", "0x4fff", "System RAM"], ["0x3000", "0x7fff", "System RAM"]);
    expect(read(LINUX, files).memoryMap?.ranges).toEqual([
      { start: 0x1000n, end: 0x5000n, type: "ram" },
      { start: 0x5000n, end: 0x8000n, type: "ram" },
    ]);
  });

  test("notes of both sources are kept", () => {
    const odd = memmap(["0x0", "0xfff", "Moon"]);
    const { notes } = read(LINUX, odd, { "proc/iomem": `${IOMEM}oops\n` });
    expect(sentencesOf({ notes }).join("\n")).toContain('"Moon", an unknown type');
    expect(sentencesOf({ notes }).join("\n")).toContain("/proc/iomem line 5 is not a resource");
  });

  test("arm64 uses /proc/iomem without its reserved parts, and no boot_params", () => {
    const arm = { "proc/sys/kernel/arch": "aarch64\n", "proc/self/auxv": auxvOf(65536n) };
    const facts = read(LINUX, MEMMAP, BOOT_PARAMS, arm);
    expect(facts).toMatchObject({ architecture: "arm64", pageSize: 65536, x86_64: null });
    expect(facts.memoryMap).toEqual({
      source: "iomem",
      ranges: [
        { start: 0x1000n, end: 0x9fc00n, type: "ram" },
        { start: 0x100000n, end: 0x2f000000n, type: "ram" },
        { start: 0x37000000n, end: 0x3ffe0000n, type: "ram" },
      ],
    });
  });
});

describe("not root", () => {
  const hidden = { "proc/iomem": IOMEM.replace(/[0-9a-f]+-[0-9a-f]+ :/g, "00000000-00000000 :") };

  test("addresses of 0 in /proc/iomem give no memory map and no crash region", () => {
    const facts = read(LINUX, hidden);
    expect(facts.memoryMap).toBeNull();
    expect(facts.crashRegions).toEqual([]);
    expect(sentencesOf(facts).join()).toContain("/proc/iomem: all addresses are zero");
  });

  test("the firmware's map is used where it is readable", () => {
    const facts = read(LINUX, hidden, MEMMAP);
    expect(facts.memoryMap?.source).toBe("firmware-memmap");
    expect(facts.crashRegions).toEqual([]);
  });
});

describe("what the running kernel uses as RAM", () => {
  test("is /proc/iomem's, where the memory map is the firmware's too", () => {
    const iomem = `${IOMEM}40000000-41ffffff : System RAM\n  40100000-401fffff : ramoops\n`;
    const facts = read(LINUX, MEMMAP, { "proc/iomem": iomem });
    expect(facts.memoryMap?.source).toBe("firmware-memmap");
    expect(facts.systemRam?.slice(-2)).toEqual([
      { start: 0x40000000n, end: 0x40100000n },
      { start: 0x40200000n, end: 0x42000000n },
    ]);
  });

  test.each([
    ["hidden", "00000000-00000000 : System RAM\n"],
    ["damaged", "nothing\n"],
  ])("is not known where /proc/iomem is %s", (_, iomem) => {
    expect(read(LINUX, MEMMAP, { "proc/iomem": iomem }).systemRam).toBeNull();
  });
});
