import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { buildE820, packE820 } from "../../../../src/arch/x86-64/handoff/e820.ts";
import { multibootMemory } from "../../../../src/arch/x86-64/handoff/multiboot-content.ts";
import { hexOf } from "../../../../src/core/bytes.ts";
import { KexecError } from "../../../../src/core/error.ts";
import { MEMORY_TYPES, type MemoryRange } from "../../../../src/model/memory.ts";
import { difference } from "../../../conformance/differences.ts";

const anyRange: fc.Arbitrary<MemoryRange> = fc.record({
  start: fc.bigInt({ min: 1n, max: (1n << 52n) - 1n }),
  end: fc.bigInt({ min: 1n << 52n, max: 1n << 64n }),
  type: fc.constantFrom(...MEMORY_TYPES),
});

/** Reads packed entries back with DataView. */
function unpack(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 20 }, (_, i) => ({
    start: view.getBigUint64(i * 20, true),
    end: view.getBigUint64(i * 20, true) + view.getBigUint64(i * 20 + 8, true),
    type: view.getUint32(i * 20 + 16, true),
  }));
}

const pages = (count: number): MemoryRange[] =>
  Array.from({ length: count }, (_, i) => ({
    start: BigInt(i) * 0x2000n,
    end: BigInt(i) * 0x2000n + 0x1000n,
    type: "ram",
  }));

test(`${difference("memory-types").id}: a multiboot image's memory map has E820's types`, () => {
  const types = ["ram", "reserved", "acpi", "acpi-nvs", "unusable", "pmem", "pram"] as const;
  const ranges = [...types, "soft-reserved" as const].map((type, i) => ({
    start: BigInt(i) * 0x1000n,
    end: BigInt(i + 1) * 0x1000n,
    type,
  }));
  const { entries } = multibootMemory(ranges);
  expect(entries.map(({ type }) => type)).toEqual([1, 2, 3, 4, 5, 7, 12, 0xefffffff]);
});

describe("buildE820", () => {
  test.each([
    ["ram", 1],
    ["reserved", 2],
    ["acpi", 3],
    ["acpi-nvs", 4],
    ["unusable", 5],
    ["soft-reserved", 0xefffffff],
    ["uncached", 2],
    ["pmem", 7],
    ["pram", 12],
  ] as const)("%s is type %p", (type, expected) => {
    const { table } = buildE820([{ start: 0x1000n, end: 0x3000n, type }]);
    expect(table).toEqual([{ addr: 0x1000n, size: 0x2000n, type: expected }]);
  });

  test("entries have 20 bytes and no gaps", () => {
    const { table } = buildE820([
      { start: 0n, end: 0x9fc00n, type: "ram" },
      { start: 0x1_0000_0000n, end: 0x2_4000_0000n, type: "acpi-nvs" },
    ]);
    expect(hexOf(packE820(table))).toBe(
      `0000000000000000${"00fc090000000000"}01000000` +
        `0000000001000000${"0000004001000000"}04000000`,
    );
  });

  test.each([
    [0, 0, null],
    [127, 127, null],
    [128, 128, null],
    [129, 128, 1],
    [400, 128, 272],
  ])("%p ranges: %p in the zero page, %p behind", (count, inTable, behind) => {
    const { table, extended } = buildE820(pages(count));
    expect(table.length).toBe(inTable);
    if (behind === null) expect(extended).toBeNull();
    else {
      expect(extended?.type).toBe(1);
      expect(extended?.data.length).toBe(behind * 20);
    }
  });

  test("table and rest together are the ranges, in their order", () => {
    fc.assert(
      fc.property(fc.array(anyRange, { maxLength: 300 }), (ranges) => {
        const { table, extended } = buildE820(ranges);
        const all = [...unpack(packE820(table)), ...unpack(extended?.data ?? new Uint8Array(0))];
        expect(all.map(({ start, end }) => ({ start, end }))).toEqual(
          ranges.map(({ start, end }) => ({ start, end })),
        );
      }),
      { examples: [[[{ start: 1n, end: 1n << 64n, type: "ram" }]]] },
    );
  });

  test("empty ranges have no entry", () => {
    const { table } = buildE820([
      { start: 8n, end: 8n, type: "ram" },
      { start: 9n, end: 8n, type: "ram" },
    ]);
    expect(table).toEqual([]);
  });

  test.each([
    [0n, 1n << 64n],
    [1n, (1n << 64n) + 1n],
    [-1n, 5n],
  ])("a range that no entry can name is an error: %p to %p", (start, end) => {
    expect(() => buildE820([{ start, end, type: "ram" }])).toThrow(KexecError);
  });
});
