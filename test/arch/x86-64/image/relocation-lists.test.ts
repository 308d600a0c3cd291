import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type RelocationList,
  readRelocationLists,
  relocate,
} from "../../../../src/arch/x86-64/image/relocation-lists.ts";
import { ImageError } from "../../../../src/core/error.ts";
import type { ElfLoad } from "../../../../src/image/elf-image.ts";
import {
  filled,
  LINKED,
  RELOCATIONS,
  relocationWords,
  wordOf,
} from "../../../images/make-payload.ts";
import { refusal } from "../../../kexec-error.ts";

const words = (...list: readonly number[]): Uint8Array =>
  new Uint8Array(Uint32Array.from(list).buffer);

const load = (offset: number, bytes: Uint8Array): ElfLoad => ({
  bytes,
  virtual: BigInt(offset),
  physical: LINKED + BigInt(offset),
  memorySize: BigInt(bytes.length),
});

const kernel = (): readonly ElfLoad[] => [load(0, filled(0x2100)), load(0x3000, filled(0x1000))];

const lists = (kind: RelocationList["kind"], ...offsets: readonly number[]): RelocationList[] => [
  { kind, words: Uint32Array.from(offsets.map(wordOf)) },
];

describe("reading", () => {
  test("three lists: Linux until 6.14", () => {
    const found = readRelocationLists(relocationWords(RELOCATIONS));
    expect(found.map(({ kind, words: { length } }) => `${kind} ${length}`)).toEqual([
      "add64 4",
      "subtract32 2",
      "add32 4",
    ]);
    expect([...(found[1]?.words ?? [])]).toEqual([wordOf(0x200), wordOf(0x3020)]);
  });

  test("two lists: Linux since 6.15", () => {
    const { add64, add32 } = RELOCATIONS;
    const found = readRelocationLists(relocationWords({ add64, add32 }));
    expect(found.map(({ kind }) => kind)).toEqual(["add64", "add32"]);
  });

  test("empty lists are lists", () => {
    expect(readRelocationLists(words(0, 0, 0)).map(({ words: { length } }) => length)).toEqual([
      0, 0, 0,
    ]);
  });

  test.each<[string, Uint8Array, string]>([
    ["none", words(), "are missing: the kernel runs at one address only"],
    ["half a word", words(0, 0).subarray(0, 7), "have 7 bytes, no whole words"],
    ["no zero in front", words(wordOf(8), 0), "do not begin with a zero"],
    ["one list", words(0, wordOf(8)), "are 1; Linux has two or three"],
    ["four lists", words(0, 0, 0, 0), "are 4; Linux has two or three"],
  ])("%s", (_, bytes, why) => {
    const error = refusal(() => readRelocationLists(bytes));
    expect(error).toBeInstanceOf(ImageError);
    expect(error.message).toBe(`the relocation lists ${why}`);
  });

  test("words that are not aligned in the file", () => {
    const odd = new Uint8Array(1 + 12);
    odd.set(words(0, wordOf(4), 0), 1);
    expect(readRelocationLists(odd.subarray(1))[0]?.words).toEqual(Uint32Array.of(wordOf(4)));
  });
});

describe("relocating", () => {
  const numberAt = (loads: readonly ElfLoad[], i: number, at: number, bits: 32 | 64): bigint => {
    const { bytes } = loads[i] ?? load(0, new Uint8Array(0));
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return bits === 64 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
  };

  test("adds to 64 bits with the carry", () => {
    const loads = kernel();
    loads[0]?.bytes.set([0xf0, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff], 0x100);
    relocate(loads, lists("add64", 0x100), 0x200000);
    expect(numberAt(loads, 0, 0x100, 64)).toBe(0xffffff80001ffff0n);
  });

  test("adds to and subtracts from 32 bits, in the segment that has the word", () => {
    const loads = kernel();
    const before = numberAt(loads, 1, 0x20, 32);
    relocate(loads, lists("add32", 0x3020), 0x400000);
    expect(numberAt(loads, 1, 0x20, 32)).toBe(before + 0x400000n);
    relocate(loads, lists("subtract32", 0x3020), 0x400000);
    expect(numberAt(loads, 1, 0x20, 32)).toBe(before);
  });

  test("changes nothing else", () => {
    const [loads, untouched] = [kernel(), kernel()];
    relocate(loads, lists("add64", 0x100, 0x3010), 0x200000);
    for (const [i, at] of [
      [0, 0x100],
      [1, 0x10],
    ] as const) {
      loads[i]?.bytes.set(untouched[i]?.bytes.subarray(at, at + 8) ?? [], at);
    }
    expect(loads).toEqual([...untouched]);
  });

  test.each<[string, RelocationList[], string]>([
    ["below the kernel", lists("add32", -1), "name 0x80ffffff, which is not in the kernel"],
    ["physical addresses", lists("add32", -0x80000000), "name 0x1000000, which is not"],
    ["in the gap", lists("add32", 0x2100), "name 0x81002100, which is not"],
    ["half in the gap", lists("add32", 0x20fd), "name 0x810020fd, which is not"],
    ["half behind the end", lists("add64", 0x3ff9), "name 0x81003ff9, which is not"],
    ["behind the end", lists("add64", 0x4000), "name 0x81004000, which is not"],
    ["not sorted", lists("add32", 0x10, 0x8), "are not sorted: 0x81000008 follows 0x81000010"],
    ["twice", lists("add32", 0x10, 0x10), "are not sorted: 0x81000010 follows 0x81000010"],
  ])("%s", (_, list, why) => {
    expect(refusal(() => relocate(kernel(), list, 0x200000)).message).toContain(why);
  });

  test.each<[RelocationList["kind"], readonly number[], number]>([
    ["add32", [0xff, 0xff, 0xff, 0xff], 1],
    ["subtract32", [0, 0, 0, 0], 1],
    ["add64", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1],
    ["add64", [0, 0, 0, 0, 0, 0, 0, 0], -1],
  ])("%s %p by %p does not fit", (kind, bytes, delta) => {
    const loads = kernel();
    loads[0]?.bytes.set(bytes, 8);
    const error = refusal(() => relocate(loads, lists(kind, 8), delta));
    expect(error).toMatchObject({ code: "image.payload" });
    expect(error.message).toContain("too small or large to change, 0x8 bytes into it");
  });

  test("back by as much gives the kernel as it was linked", () => {
    const anyList = fc.record({
      kind: fc.constantFrom<RelocationList["kind"]>("add64", "subtract32", "add32"),
      words: fc.uniqueArray(fc.nat(0x20f0 / 8 - 1), { maxLength: 200 }).map((slots) =>
        Uint32Array.from(
          slots.toSorted((a, b) => a - b),
          (n) => wordOf(n * 8),
        ),
      ),
    });
    // Bytes below 0x80 leave room above and below for every offset of a kernel.
    const anyDelta = fc.nat(500).map((steps) => steps * 0x200000);
    fc.assert(
      fc.property(anyList, anyDelta, (list, delta) => {
        const loads = kernel();
        for (const { bytes } of loads) bytes.fill(0x5a);
        const before = loads.map(({ bytes }) => bytes.slice());
        relocate(loads, [list], delta);
        relocate(loads, [list], -delta);
        expect(loads.map(({ bytes }) => bytes)).toEqual(before);
      }),
    );
  });
});
