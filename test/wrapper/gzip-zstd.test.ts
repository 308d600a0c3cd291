/** Rules of gzip's and zstd's headers, each on its right side and on its wrong one.
 * [rfc 1952] [rfc 8878] */

import { describe, expect, test } from "bun:test";
import * as zlib from "node:zlib";
import { joined } from "../../src/core/bytes.ts";
import { expandGzip, expandZstd } from "../../src/wrapper/deflate-zstd.ts";
import { wrapperOf } from "../../src/wrapper/recognise.ts";
import { refusal } from "../kexec-error.ts";
import { packedBy } from "./make-wrapped.ts";

const LIMIT = 1 << 20;
const INNER = new Uint8Array(5000).map((_, i) => (i * i) >> 6);
const GARBAGE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);
const u16 = (value: number) => [value & 0xff, value >> 8];
const u32 = (value: number) => [...u16(value & 0xffff), ...u16(value >>> 16)];

interface Header {
  readonly method?: number;
  readonly flags?: number;
  /** What is behind the ten bytes, before the header's checksum. */
  readonly fields?: readonly number[];
  /** Added to the header's checksum. */
  readonly error?: number;
}

/** A gzip member with a header of any kind. */
function member({ method = 8, flags = 0, fields = [], error = 0 }: Header = {}): Uint8Array {
  const header = Uint8Array.of(0x1f, 0x8b, method, flags, 1, 2, 3, 4, 2, 3, ...fields);
  const sum = (zlib.crc32(header) + error) & 0xffff;
  const data = zlib.deflateRawSync(INNER);
  const trailer = [...u32(zlib.crc32(INNER)), ...u32(INNER.length)];
  return Uint8Array.of(...header, ...((flags & 2) === 0 ? [] : u16(sum)), ...data, ...trailer);
}

const EXTRA = [...u16(5), 0x41, 0x42, 1, 0, 0];
const NAME = [...Buffer.from("a name\0")];
const COMMENT = [...Buffer.from("a comment\0")];
const sameAs = (bytes: Uint8Array, wanted: Uint8Array) => Buffer.compare(bytes, wanted) === 0;

describe("gzip", () => {
  const whole = (bytes: Uint8Array) => sameAs(expandGzip(bytes, LIMIT).bytes, INNER);
  const why = (bytes: Uint8Array) => refusal(() => expandGzip(bytes, LIMIT)).message;

  test.each([
    ["none", 0, []],
    ["text", 0x01, []],
    ["a checksum", 0x02, []],
    ["an extra field", 0x04, EXTRA],
    ["a name", 0x08, NAME],
    ["a comment", 0x10, COMMENT],
    ["all of them", 0x1f, [...EXTRA, ...NAME, ...COMMENT]],
  ])("flags: %s", (_, flags, fields) => {
    expect(whole(member({ flags, fields }))).toBe(true);
  });

  test.each([0x20, 0x40, 0x80])("the reserved flag 0x%s is refused, in any member", (flags) => {
    const message = (at: string) =>
      `gzip: the flags at offset ${at} are unknown: 0x${flags.toString(16)}`;
    expect(why(member({ flags }))).toBe(message("0x3"));
    const first = member();
    const second = joined([first, member({ flags })]);
    expect(why(second)).toBe(message(`0x${(first.length + 3).toString(16)}`));
  });

  test("the header's checksum is compared", () => {
    const message = why(member({ flags: 0x02, error: 1 }));
    expect(message).toBe("gzip: the header's checksum at offset 0xa does not match");
  });

  test("another method in a member that follows is refused, as gzread does", () => {
    const first = member();
    expect(why(joined([first, member({ method: 7 })]))).toContain("is 7, not 8");
    const { bytes, end } = expandGzip(joined([first, first, GARBAGE]), LIMIT);
    expect(sameAs(bytes, joined([INNER, INNER]))).toBe(true);
    expect(end).toBe(2 * first.length);
  });

  test("checksum and size", () => {
    const packed = member();
    for (const back of [8, 4, 1]) {
      const at = packed.length - back;
      expect(why(packed.with(at, (packed[at] ?? 0) ^ 1))).toContain("checksum or size at offset");
    }
  });

  test("a limit of exactly its size, and of one byte less", () => {
    expect(expandGzip(member(), INNER.length).bytes.length).toBe(INNER.length);
    expect(() => expandGzip(member(), INNER.length - 1)).toThrow(/expands to more than 4999 bytes/);
  });
});

/** A zstd frame of blocks that are not compressed. */
function frame(descriptor: number, fields: readonly number[], blocks: readonly number[][]) {
  const data = blocks.flatMap((block, i) => {
    const header = (block.length << 3) | (i === blocks.length - 1 ? 1 : 0);
    return [header & 0xff, (header >> 8) & 0xff, header >> 16, ...block];
  });
  return Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, descriptor, ...fields, ...data);
}

describe("zstd", () => {
  const expanded = (bytes: Uint8Array, limit = LIMIT) => [...expandZstd(bytes, limit).bytes];
  const why = (bytes: Uint8Array) => refusal(() => expandZstd(bytes, LIMIT)).message;
  const SINGLE = 0x20;
  const WINDOW = 0x58;
  const skippable = (low: number, size: number) =>
    Uint8Array.of(0x50 | low, 0x2a, 0x4d, 0x18, ...u32(size), ...new Uint8Array(size));

  test.each([
    ["no content size, a window", 0, [WINDOW]],
    ["a content size of one byte", SINGLE, [3]],
    ["of four", 0x80 | SINGLE, u32(3)],
    ["of eight", 0xc0 | SINGLE, [...u32(3), ...u32(0)]],
    ["the unused bit", 0x10 | SINGLE, [3]],
    ["a dictionary of number 0", SINGLE | 1, [0, 3]],
  ])("%s", (_, descriptor, fields) => {
    expect(expanded(frame(descriptor, fields, [[7, 8], [9]]))).toEqual([7, 8, 9]);
  });

  test("a content size of two bytes counts from 256", () => {
    const block = Array<number>(300).fill(5);
    expect(expanded(frame(0x40 | SINGLE, u16(300 - 256), [block]))).toEqual(block);
  });

  test.each([
    ["the reserved bit", 0x08 | SINGLE, [3], /^zstd: a reserved bit is set at offset 0x4$/],
    ["a dictionary", SINGLE | 1, [9, 3], /^zstd: needs the dictionary named at offset 0x5$/],
    ["a dictionary behind a window", 2, [WINDOW, 0, 1], /named at offset 0x6$/],
    ["less content than it says", SINGLE, [4], /^zstd: the data that begin at offset 0x0 are dam/],
    ["more", SINGLE, [2], /^zstd: the data that begin at offset 0x0 are damaged/],
    ["a window of 256 MiB", 0, [0x90], /too much memory/],
  ])("refused: %s", (_, descriptor, fields, message) => {
    expect(why(frame(descriptor, fields, [[7, 8], [9]]))).toMatch(message);
  });

  test("refused: a reserved kind of block, one that is too large, and a wrong checksum", () => {
    const plain = frame(SINGLE, [3], [[7, 8, 9]]);
    expect(why(plain.with(6, 0x07 | 0x18))).toBe("zstd: reserved block at offset 0x6");
    const large = Array<number>((1 << 17) + 1).fill(5);
    expect(why(frame(0, [WINDOW], [large]))).toMatch(/damaged/);
    const checked = packedBy(["zstd", "-q", "-c", "--check"], INNER);
    expect(sameAs(expandZstd(checked, LIMIT).bytes, INNER)).toBe(true);
    expect(why(checked.with(checked.length - 1, (checked.at(-1) ?? 0) ^ 1))).toMatch(/checksum/);
  });

  test("skippable frames before, between and behind, and a file that begins with one", () => {
    const one = frame(SINGLE, [1], [[7]]);
    const file = joined([skippable(0, 4), one, skippable(15, 0), one, skippable(3, 9), GARBAGE]);
    expect(expandZstd(file, LIMIT)).toEqual({
      bytes: Uint8Array.of(7, 7),
      end: file.length - GARBAGE.length,
    });
    expect(wrapperOf(file)).toBe("zstd");
    expect(wrapperOf(joined([skippable(0, 4), GARBAGE]))).toBeNull();
    expect(wrapperOf(skippable(0, 4))).toBeNull();
  });

  test("a second frame or a skippable one that is cut short is refused", () => {
    const one = frame(SINGLE, [1], [[7]]);
    for (const next of [one, skippable(0, 9)]) {
      for (let length = 4; length < next.length; length += 1) {
        expect(why(joined([one, next.subarray(0, length)]))).toMatch(/cut short/);
      }
    }
  });

  test("a size beyond the limit is refused before anything is expanded", () => {
    const lying = frame(0xc0 | SINGLE, [...u32(0), ...u32(0x100)], [[7]]);
    expect(why(lying)).toContain("expands to more than 1048576 bytes");
    expect(expanded(frame(SINGLE, [3], [[7, 8, 9]]), 3)).toEqual([7, 8, 9]);
    expect(() => expandZstd(frame(0, [WINDOW], [[7, 8, 9]]), 2)).toThrow(/more than 2 bytes/);
  });
});
