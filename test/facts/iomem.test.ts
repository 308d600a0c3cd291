import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  iomemCrashRegions,
  iomemMemoryRanges,
  iomemSystemRam,
  iomemUsableRam,
  parseIomem,
  showResource,
} from "../../src/facts/iomem.ts";
import { refusal } from "../kexec-error.ts";
import { textSurvivesDamage } from "./damage.ts";

const SAMPLE = `00000000-00000fff : Reserved
00001000-0009fbff : System RAM
0009fc00-0009ffff : RESERVED
000a0000-000bffff : PCI Bus 0000:00
000f0000-000fffff : reserved
  000f0000-000fffff : System ROM
00100000-3ffdffff : System RAM
  16e00000-17c01d31 : Kernel code
  2f000000-36ffffff : Crash kernel
3ffe0000-3fffffff : ACPI Tables
40000000-40000fff : ACPI Non-volatile Storage
fd000000-fdffffff : 0000:00:02.0
  fd000000-fd00ffff : Reserved
100000000-1bfffffff : System RAM
1c0000000-1cfffffff : Persistent Memory
  1c1000000-1c1ffffff : System RAM (kmem)
1d0000000-1d0ffffff : Persistent Memory (legacy)
fd00000000-ffffffffff : Soft Reserved
`;

test("parseIomem() gives every line, half-open, with its depth", () => {
  const { resources, notes } = parseIomem(SAMPLE);
  expect(notes).toEqual([]);
  expect(resources.length).toBe(SAMPLE.trim().split("\n").length);
  expect(resources[1]).toEqual({ start: 0x1000n, end: 0x9fc00n, name: "System RAM", depth: 0 });
  expect(resources[8]).toEqual({
    start: 0x2f000000n,
    end: 0x37000000n,
    name: "Crash kernel",
    depth: 1,
  });
  expect(resources.map(showResource)[8]).toBe("0x2f000000-0x36ffffff : Crash kernel");
});

test("depth counts parents, not blanks", () => {
  const text = "1-f : a\n    2-e : b\n      3-d : c\n    4-5 : d\n6-7 : e\n";
  expect(parseIomem(text).resources.map((r) => r.depth)).toEqual([0, 1, 2, 1, 0]);
});

test("iomemMemoryRanges() takes exactly the names of the firmware's types, of any depth", () => {
  const ranges = iomemMemoryRanges(parseIomem(SAMPLE).resources);
  expect(ranges).toEqual([
    { start: 0x0n, end: 0x1000n, type: "reserved" },
    { start: 0x1000n, end: 0x9fc00n, type: "ram" },
    { start: 0x9fc00n, end: 0xa0000n, type: "reserved" },
    { start: 0xf0000n, end: 0x100000n, type: "reserved" },
    { start: 0x100000n, end: 0x3ffe0000n, type: "ram" },
    { start: 0x3ffe0000n, end: 0x40000000n, type: "acpi" },
    { start: 0x40000000n, end: 0x40001000n, type: "acpi-nvs" },
    { start: 0xfd000000n, end: 0xfd010000n, type: "reserved" },
    { start: 0x100000000n, end: 0x1c0000000n, type: "ram" },
    { start: 0x1c0000000n, end: 0x1d0000000n, type: "pmem" },
    { start: 0x1d0000000n, end: 0x1d1000000n, type: "pram" },
    { start: 0xfd00000000n, end: 0x10000000000n, type: "soft-reserved" },
  ]);
});

test.each([
  "System RAM ",
  "system ram",
  "System RAM (virtio_mem)",
  "Reserved area",
  "acpi tables",
  "Persistent Memory (Legacy)",
  "Crash kernel",
  "",
])("the name %j is no memory", (name) => {
  const { resources } = parseIomem(`1000-1fff : ${name}\n`);
  expect(iomemMemoryRanges(resources)).toEqual([]);
});

test("what kexec-tools' scanf takes is taken", () => {
  const { resources } = parseIomem("  0x1000-0x1fff:System RAM\n\t2000-2fff   :   System RAM\n");
  expect(iomemMemoryRanges(resources)).toEqual([
    { start: 0x1000n, end: 0x2000n, type: "ram" },
    { start: 0x2000n, end: 0x3000n, type: "ram" },
  ]);
});

test("a line without its newline at the end of the file counts", () => {
  expect(iomemMemoryRanges(parseIomem("1000-1fff : System RAM").resources)).toHaveLength(1);
});

test("the end of the address space is an end", () => {
  const [last] = parseIomem("ffffffffffff0000-ffffffffffffffff : Reserved\n").resources;
  expect(last?.end).toBe(1n << 64n);
});

test("the memory map is sorted, whatever the order of the lines", () => {
  const { resources } = parseIomem("2000-2fff : System RAM\n0-fff : Reserved\n");
  expect(iomemMemoryRanges(resources).map((r) => r.start)).toEqual([0n, 0x2000n]);
});

test("lines that are no resources are left out and noted", () => {
  const { resources, notes } = parseIomem("hello\n1000-1fff : System RAM\n3000-1fff : Reserved\n");
  expect(resources).toHaveLength(1);
  expect(notes).toEqual([
    '/proc/iomem line 1 is not a resource and is ignored: "hello".',
    '/proc/iomem line 3 ends before it begins and is ignored: "3000-1fff : Reserved".',
  ]);
});

test("the zeros that others than root see are told from a memory map", () => {
  const hidden = SAMPLE.replace(/[0-9a-f]+-[0-9a-f]+ :/g, "00000000-00000000 :");
  const error = refusal(() => parseIomem(hidden));
  expect(error.code).toBe("facts.iomem-hidden");
  expect(error.hint).toContain("root");
  // One visible address is enough to believe the rest.
  expect(parseIomem(`${hidden}00001000-00001fff : System RAM\n`).resources).not.toEqual([]);
});

test.each(["", "\n\n", "nothing\n"])("a file without resources is refused: %j", (text) => {
  expect(refusal(() => parseIomem(text)).code).toBe("facts.iomem");
});

test("an address of more than 64 bits is refused with its line", () => {
  const error = refusal(() => parseIomem("0-fff : a\n1000-10000000000000000 : System RAM\n"));
  expect(error.code).toBe("facts.iomem");
  expect(error.message).toContain("/proc/iomem line 2: 0x10000000000000000");
});

test("crash regions are sorted, and named exactly so", () => {
  const text = `00100000-fffffff : System RAM
  8000000-9ffffff : Crash kernel
  2000000-3ffffff : Crash kernel
  4000000-4ffffff : Crash kernel low
`;
  expect(iomemCrashRegions(parseIomem(text).resources)).toEqual([
    { start: 0x2000000n, end: 0x4000000n },
    { start: 0x8000000n, end: 0xa000000n },
  ]);
  expect(iomemCrashRegions(parseIomem("0-fff : Reserved\n").resources)).toEqual([]);
});

test("arm64: RAM without what lies in it, except the running kernel", () => {
  const text = `09000000-09000fff : pl011@9000000
  09000000-09000fff : 9000000.pl011 pl011@9000000
40000000-9fffffff : System RAM
  40210000-4190ffff : Kernel code
  41910000-41dbffff : reserved
  41dc0000-4233ffff : Kernel data
  48000000-4800ffff : reserved
    48000000-48000fff : nested
  7fc00000-9fbfffff : Crash kernel
a0000000-a000ffff : Reserved
b0000000-b0ffffff : System RAM
`;
  expect(iomemUsableRam(parseIomem(text).resources)).toEqual([
    { start: 0x40000000n, end: 0x41910000n, type: "ram" },
    { start: 0x41dc0000n, end: 0x48000000n, type: "ram" },
    { start: 0x48010000n, end: 0x7fc00000n, type: "ram" },
    { start: 0x9fc00000n, end: 0xa0000000n, type: "ram" },
    { start: 0xb0000000n, end: 0xb1000000n, type: "ram" },
  ]);
});

test("printed resources are read back", () => {
  const resource = fc
    .tuple(
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      fc.constantFrom("System RAM", "Reserved", "PCI Bus 0000:00", "a : b", "<BAD>"),
    )
    .map(([a, b, name]) => ({ first: a < b ? a : b, last: a < b ? b : a, name }));
  fc.assert(
    fc.property(fc.array(resource, { minLength: 1 }), (list) => {
      fc.pre(list.some((r) => r.last > 0n));
      const hex = (n: bigint) => n.toString(16).padStart(8, "0");
      const text = list.map((r) => `${hex(r.first)}-${hex(r.last)} : ${r.name}\n`).join("");
      expect(parseIomem(text).resources).toEqual(
        list.map((r) => ({ start: r.first, end: r.last + 1n, name: r.name, depth: 0 })),
      );
    }),
  );
});

test("damaged texts throw nothing but KexecErrors", () => {
  textSurvivesDamage(SAMPLE, (text) => {
    const { resources } = parseIomem(text);
    iomemMemoryRanges(resources);
    iomemUsableRam(resources);
    iomemCrashRegions(resources);
  });
});

describe("what the running kernel uses as RAM", () => {
  const systemRam = (text: string) =>
    iomemSystemRam(parseIomem(text).resources).map(({ start, end }) => [start, end]);

  test("is System RAM alone: no persistent memory, nor what a driver gave back of it", () => {
    expect(systemRam(SAMPLE)).toEqual([
      [0x1000n, 0x9fc00n],
      [0x100000n, 0x3ffe0000n],
      [0x100000000n, 0x1c0000000n],
    ]);
  });

  // What `memmap=32M!448M`, `memmap=1M$0x20000000` and `mem=` make of one range of the firmware's.
  test.each([
    ["Persistent Memory (legacy)"],
    ["Reserved"],
    ["ramoops:dump(0/2)"],
    ["Soft Reserved"],
    ["ACPI Tables"],
    ["RAM buffer"],
  ])("is not %s beside it", (name) => {
    const text = `100000-1bffffff : System RAM
1c000000-1dffffff : ${name}
  1c000000-1dffffff : System RAM (kmem)
  1c100000-1c1fffff : System RAM
1e000000-3ffdffff : System RAM
`;
    expect(systemRam(text)).toEqual([
      [0x100000n, 0x1c000000n],
      [0x1e000000n, 0x3ffe0000n],
    ]);
  });

  test.each([
    ["Kernel code"],
    ["Kernel rodata"],
    ["Kernel data"],
    ["Kernel bss"],
    ["Crash kernel"],
  ])("is also where %s lies, which the next kernel may overwrite", (name) => {
    expect(systemRam(`100000-3fffff : System RAM\n  200000-2fffff : ${name}\n`)).toEqual([
      [0x100000n, 0x400000n],
    ]);
  });

  test.each([
    ["ramoops:console"],
    ["Reserved"],
    ["reserved"],
    ["GART"],
    ["ACPI Tables"],
    ["Persistent RAM"],
    ["Kernel code of another"],
    [""],
  ])("is not %j in it, which somebody keeps there", (name) => {
    const text = `100000-3fffff : System RAM
  180000-2fffff : Crash kernel
    200000-2fffff : ${name}
  300000-300fff : Kernel data
`;
    expect(systemRam(text)).toEqual([
      [0x100000n, 0x200000n],
      [0x300000n, 0x400000n],
    ]);
  });
});
