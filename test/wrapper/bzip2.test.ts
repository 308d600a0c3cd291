/** bzip2: what is refused, and where it says that the damage is. */

import { describe, expect, test } from "bun:test";
import { joined } from "../../src/core/bytes.ts";
import { expandBzip2 } from "../../src/wrapper/bzip2.ts";
import { wrapperOf } from "../../src/wrapper/recognise.ts";
import { refusal } from "../kexec-error.ts";
import { packedBy } from "./make-wrapped.ts";

/** Several blocks of the smallest size. */
const INNER = new Uint8Array(250_000).map((_, i) => (i * i) >> 7);
const PACKED = packedBy(["bzip2", "-1"], INNER);
const EMPTY = packedBy(["bzip2"], new Uint8Array());
const LIMIT = 1 << 20;

const changed = (at: number, value: number) => PACKED.with(at, value);
const hintOf = (bytes: Uint8Array) => refusal(() => expandBzip2(bytes, LIMIT)).message;

test("several blocks, and streams one after the other, one of them empty", () => {
  expect(Buffer.compare(expandBzip2(PACKED, LIMIT).bytes, INNER)).toBe(0);
  const { bytes, end } = expandBzip2(joined([PACKED, EMPTY, PACKED, INNER]), LIMIT);
  expect(Buffer.compare(bytes, joined([INNER, INNER]))).toBe(0);
  expect(end).toBe(2 * PACKED.length + EMPTY.length);
});

test("it is recognised by its first block", () => {
  expect(wrapperOf(PACKED)).toBe("bzip2");
  expect(wrapperOf(Uint8Array.from(Buffer.from("BZh9 is how this text begins")))).toBeNull();
});

test("an empty stream may come first", () => {
  const file = joined([EMPTY, PACKED]);
  expect(wrapperOf(file)).toBe("bzip2");
  expect(Buffer.compare(expandBzip2(file, LIMIT).bytes, INNER)).toBe(0);
});

test.each([1, 5, 9])("blocks of level %d", (level) => {
  const packed = packedBy(["bzip2", `-${level}`], INNER);
  expect(Buffer.compare(expandBzip2(packed, LIMIT).bytes, INNER)).toBe(0);
});

test("what begins as another stream is one: damaged or cut short, it is refused", () => {
  const second = (bytes: Uint8Array) => hintOf(joined([PACKED, bytes]));
  expect(second(PACKED.with(5, 0))).toMatch(/^bzip2: damaged before offset 0x[0-9a-f]+: Not bzip/);
  for (const length of [4, 7, 9, 20])
    expect(second(PACKED.subarray(0, length))).toMatch(/cut short/);
  // Without a level it is none, as to bzip2 itself.
  const other = joined([PACKED, Uint8Array.from(Buffer.from("BZh0 and more"))]);
  expect(expandBzip2(other, LIMIT).end).toBe(PACKED.length);
});

test("a limit of exactly its size, and of one byte less", () => {
  expect(expandBzip2(PACKED, INNER.length).bytes.length).toBe(INNER.length);
  expect(() => expandBzip2(PACKED, INNER.length - 1)).toThrow(/expands to more than 249999 bytes/);
});

describe("refused", () => {
  test.each([
    ["a level that there is not", 3, 0x30, /offset 0x4: .*level/],
    [
      "a block's checksum",
      10,
      (PACKED[10] ?? 0) ^ 1,
      /damaged before offset 0x[0-9a-f]{4,}: .*CRC/,
    ],
    ["the randomised kind of before 0.9.5", 14, (PACKED[14] ?? 0) | 0x80, /offset 0xf: Obsolete/],
    ["the stream's checksum", PACKED.length - 3, 0xff, /stream CRC/],
  ])("%s", (_, at, value, message) => {
    expect(hintOf(changed(at, value))).toMatch(message);
  });

  test("cut anywhere, with the offset of its end", () => {
    for (let length = 4; length < PACKED.length; length += 997) {
      expect(hintOf(PACKED.subarray(0, length))).toBe(
        `bzip2: cut short at offset 0x${length.toString(16)}`,
      );
    }
  });

  test("a run that is longer than any block", () => {
    expect(hintOf(endlessRun(31))).toMatch(/^bzip2: damaged before offset 0x[0-9a-f]+: Data error/);
    expect(hintOf(endlessRun(32))).toMatch(/^bzip2: damaged/);
    expect(hintOf(endlessRun(64))).toMatch(/^bzip2: damaged/);
  });
});

/** A block of one byte's repetitions, whose number has `digits` binary digits. */
function endlessRun(digits: number): Uint8Array {
  const bits: string[] = [];
  const put = (value: number | bigint, count: number) =>
    bits.push(BigInt(value).toString(2).padStart(count, "0"));
  put(0x425a6839, 32);
  put(0x314159265359n, 48);
  // No checksum; not randomised; the first row.
  put(0, 32 + 1 + 24);
  // Of all bytes only 0x61 occurs.
  put(1 << 9, 16);
  put(1 << 14, 16);
  // Two tables; two pieces, both with the first table.
  put(2, 3);
  put(2, 15);
  put(0, 2);
  // Both tables: codes of 1, 2 and 2 bits, for the digits 1 and 2 and for the end.
  for (const start of [1, 1]) {
    put(start, 5);
    put(0b01000, 5);
  }
  put(0, digits);
  put(0b11, 2);
  put(0, 200);
  const text = bits.join("");
  const count = Math.floor(text.length / 8);
  return Uint8Array.from({ length: count }, (_, i) =>
    Number.parseInt(text.slice(8 * i, 8 * i + 8), 2),
  );
}
