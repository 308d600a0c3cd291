import { expect, test } from "bun:test";
import fc from "fast-check";
import { normalize } from "../../src/core/range.ts";
import {
  efiMapWasAdded,
  fixMemoryRanges,
  parseFirmwareMemmap,
  withoutRealModeIvt,
} from "../../src/facts/firmware-memmap.ts";
import { MEMORY_TYPES, type MemoryRange, type MemoryType } from "../../src/model/memory.ts";
import { refusal } from "../kexec-error.ts";
import { textSurvivesDamage } from "./damage.ts";

const entry = (name: string, start: string, end: string, type: string) => ({
  name,
  start,
  end,
  type,
});

test("entries become half-open ranges, sorted by start", () => {
  const { ranges, notes } = parseFirmwareMemmap([
    entry("0", "0x100000\n", "0x3ffdffff\n", "System RAM\n"),
    entry("1", "0x0\n", "0x9fbff\n", "System RAM\n"),
    entry("2", "0xfffc0000\n", "0xffffffff\n", "Reserved\n"),
    entry("3", "0xffffffff00000000\n", "0xffffffffffffffff\n", "ACPI Tables\n"),
  ]);
  expect(notes).toEqual([]);
  expect(ranges).toEqual([
    { start: 0x0n, end: 0x9fc00n, type: "ram" },
    { start: 0x100000n, end: 0x3ffe0000n, type: "ram" },
    { start: 0xfffc0000n, end: 0x100000000n, type: "reserved" },
    { start: 0xffffffff00000000n, end: 1n << 64n, type: "acpi" },
  ]);
});

test.each([
  ["System RAM", "ram"],
  ["ACPI Tables", "acpi"],
  ["ACPI Non-volatile Storage", "acpi-nvs"],
  ["Unusable memory", "unusable"],
  ["Soft Reserved", "soft-reserved"],
  ["reserved", "reserved"],
  ["Reserved", "reserved"],
  ["Unknown E820 type", "reserved"],
  ["Uncached RAM", "uncached"],
  ["Persistent Memory (legacy)", "pram"],
  ["Persistent Memory", "pmem"],
] as const)("the type %j", (name, type) => {
  const { ranges, notes } = parseFirmwareMemmap([entry("0", "0x0", "0xfff", `${name}\n`)]);
  expect(ranges).toEqual([{ start: 0n, end: 0x1000n, type }]);
  expect(notes).toEqual([]);
});

test.each(["system ram", "RESERVED", "Moon", ""])(
  "the unknown type %j is reserved, and noted",
  (name) => {
    const { ranges, notes } = parseFirmwareMemmap([entry("7", "0x0", "0xfff", `${name}\n`)]);
    expect(ranges[0]?.type).toBe("reserved");
    expect(notes).toEqual([
      `/sys/firmware/memmap/7/type is ${JSON.stringify(name)}, an unknown type: treated as reserved.`,
    ]);
  },
);

test("an entry that ends before it begins is left out, and noted", () => {
  const { ranges, notes } = parseFirmwareMemmap([
    entry("0", "0x1000", "0xfff", "System RAM"),
    entry("1", "0x2000", "0x2fff", "System RAM"),
  ]);
  expect(ranges).toHaveLength(1);
  expect(notes[0]).toContain("/sys/firmware/memmap/0 ");
});

test("a damaged number is refused with the file's name", () => {
  const error = refusal(() => parseFirmwareMemmap([entry("4", "0x0", "zz", "System RAM")]));
  expect(error.code).toBe("facts.number");
  expect(error.message).toStartWith("/sys/firmware/memmap/4/end: ");
});

test("a map without ranges is refused", () => {
  expect(refusal(() => parseFirmwareMemmap([])).code).toBe("facts.firmware-memmap");
});

const of = (type: MemoryType, start: number, end: number): MemoryRange => ({
  start: BigInt(start),
  end: BigInt(end),
  type,
});
const ram = (start: number, end: number) => of("ram", start, end);
const res = (start: number, end: number) => of("reserved", start, end);

test.each<[string, MemoryRange[], MemoryRange[]]>([
  ["nothing", [], []],
  ["apart", [ram(0, 1), ram(2, 3)], [ram(0, 1), ram(2, 3)]],
  ["touching stays two", [ram(0, 2), ram(2, 3)], [ram(0, 2), ram(2, 3)]],
  ["equal", [ram(0, 2), ram(0, 2)], [ram(0, 2)]],
  ["same start, first longer", [ram(0, 5), ram(0, 2)], [ram(0, 5)]],
  ["same start, second longer", [ram(0, 2), ram(0, 5)], [ram(0, 5)]],
  ["inside", [ram(0, 9), ram(3, 5)], [ram(0, 9)]],
  ["inside, same end", [ram(0, 9), ram(3, 9)], [ram(0, 9)]],
  ["overlap", [ram(0, 5), ram(3, 9)], [ram(0, 5), ram(5, 9)]],
  ["other types overlap freely", [ram(0, 5), res(3, 9)], [ram(0, 5), res(3, 9)]],
  [
    "a cut start moves past the next range",
    [ram(0, 100), ram(50, 200), res(60, 70)],
    [ram(0, 100), res(60, 70), ram(100, 200)],
  ],
  ["a chain", [ram(0, 5), ram(1, 6), ram(2, 7), ram(3, 4)], [ram(0, 5), ram(5, 6), ram(6, 7)]],
])("fixMemoryRanges(): %s", (_, before, after) => {
  expect(fixMemoryRanges(before)).toEqual(after);
});

const anyRanges = fc
  .array(fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 20 }), fc.constantFrom(...MEMORY_TYPES)), {
    maxLength: 12,
  })
  .map((list) =>
    list
      .map(([start, size, type]) => of(type, start, start + size))
      .sort((a, b) => Number(a.start - b.start)),
  );

test("fixMemoryRanges() loses no address, and leaves no same-type neighbours that overlap", () => {
  fc.assert(
    fc.property(anyRanges, (ranges) => {
      const fixed = fixMemoryRanges(ranges);
      for (const type of MEMORY_TYPES) {
        const only = (list: readonly MemoryRange[]) =>
          normalize(list.filter((r) => r.type === type));
        expect(only(fixed)).toEqual(only(ranges));
      }
      for (const [i, r] of fixed.entries()) {
        const next = fixed[i + 1];
        expect(r.end > r.start).toBe(true);
        if (next === undefined) continue;
        expect(r.start <= next.start).toBe(true);
        if (r.type === next.type) expect(r.end <= next.start).toBe(true);
      }
      expect(fixMemoryRanges(fixed)).toEqual(fixed);
    }),
    { numRuns: 500 },
  );
});

test("the real-mode interrupt table is no RAM", () => {
  expect(withoutRealModeIvt([ram(0, 0x9fc00), ram(0x100000, 0x200000)])).toEqual([
    ram(0x400, 0x9fc00),
    ram(0x100000, 0x200000),
  ]);
  expect(withoutRealModeIvt([res(0, 0x1000), ram(0x1000, 0x2000)])).toEqual([
    res(0, 0x1000),
    ram(0x1000, 0x2000),
  ]);
  expect(withoutRealModeIvt([ram(0, 0x400), ram(0x1000, 0x2000)])).toEqual([ram(0x1000, 0x2000)]);
  expect(withoutRealModeIvt([ram(0, 0x9fc00), res(0, 0x1000)])).toEqual([
    res(0, 0x1000),
    ram(0x400, 0x9fc00),
  ]);
});

test("add_efi_memmap counts wherever it stands", () => {
  expect(efiMapWasAdded(`${"a ".repeat(400)}add_efi_memmap`)).toBe(true);
  expect(efiMapWasAdded("no_add_efi_memmap=1 quiet")).toBe(false);
});

test("damaged texts throw nothing but KexecErrors", () => {
  textSurvivesDamage("0x100000\n|0x3ffdffff\n|System RAM\n", (text) => {
    const [start = "", end = "", type = ""] = text.split("|");
    fixMemoryRanges(parseFirmwareMemmap([entry("0", start, end, type)]).ranges);
  });
});
