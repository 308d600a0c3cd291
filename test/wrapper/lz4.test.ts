/** lz4's frames as lz4 makes them: every checksum is checked, wherever the damage is. */

import { describe, expect, test } from "bun:test";
import { joined } from "../../src/core/bytes.ts";
import { xxHash32 } from "../../src/core/digest.ts";
import { expandLz4 } from "../../src/wrapper/lz4.ts";
import { wrapperOf } from "../../src/wrapper/recognise.ts";
import { refusal } from "../kexec-error.ts";
import { lz4Legacy, packedBy } from "./make-wrapped.ts";

const LIMIT = 1 << 20;
const INNER = new Uint8Array(200_000).map((_, i) => (i % 1000 < 500 ? i : i * i) >> 5);
const lz4 = (...flags: string[]) => packedBy(["lz4", "-q", "-c", ...flags], INNER);
const messageOf = (bytes: Uint8Array) => refusal(() => expandLz4(bytes, LIMIT)).message;

describe("what lz4 makes is expanded", () => {
  test.each([
    "-1",
    "-9",
    "-B4",
    "-B4 -BD",
    "-B4 -BX",
    "--content-size",
    "--no-frame-crc",
    "-B4 -BX -BD --content-size",
  ])("%s", (flags) => {
    const packed = lz4(...flags.split(" "));
    const { bytes, end } = expandLz4(packed, LIMIT);
    expect(Buffer.compare(bytes, INNER)).toBe(0);
    expect(end).toBe(packed.length);
  });

  test("frames after one another are joined, skippable ones passed over, the rest ignored", () => {
    const skippable = Uint8Array.of(0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3);
    const frames = joined([lz4(), skippable, lz4("-BX"), skippable]);
    const { bytes, end } = expandLz4(joined([frames, INNER]), LIMIT);
    expect(Buffer.compare(bytes, joined([INNER, INNER]))).toBe(0);
    expect(end).toBe(frames.length);
  });
});

describe("refused", () => {
  const packed = lz4("-B4", "-BX", "--content-size");

  test("a changed byte anywhere behind the magic", () => {
    for (let at = 4; at < packed.length; at += at < 64 ? 1 : 101) {
      for (const flip of [0x01, 0x80]) {
        expect(messageOf(packed.with(at, (packed[at] ?? 0) ^ flip))).toMatch(/^lz4/);
      }
    }
  });

  test.each([
    ["in the header", 4, 0x20, /checksum at offset 0xe does not match/],
    ["in a block", 40, 0x01, /checksum at offset 0x[0-9a-f]{4,5} does not match/],
    ["at the end", packed.length - 1, 0x01, /checksum at offset 0x[0-9a-f]{4,5} does not match/],
  ])("%s, with the offset of the checksum", (_, at, flip, message) => {
    expect(messageOf(packed.with(at, (packed[at] ?? 0) ^ flip))).toMatch(message);
  });

  test("in a block without a checksum of its own, by the one at the end", () => {
    const plain = lz4("-9");
    // A literal near the start.
    const message = messageOf(plain.with(20, (plain[20] ?? 0) ^ 0x01));
    expect(message).toBe(
      `lz4: the checksum at offset 0x${(plain.length - 4).toString(16)} does not match`,
    );
  });
});

const u32 = (value: number) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
const RAW = 0x80000000;

interface Block {
  readonly bytes: readonly number[];
  readonly raw?: boolean;
}

/** A frame with a right checksum of its header, whatever the header says. */
function frame(flags: number, sizes: number, blocks: readonly Block[], fields: number[] = []) {
  const header = Uint8Array.of(flags, sizes, ...fields);
  const data = blocks.flatMap(({ bytes, raw = false }) => [
    ...u32(raw ? bytes.length + RAW : bytes.length),
    ...bytes,
  ]);
  const check = (xxHash32(header) >> 8) & 0xff;
  const start = [0x04, 0x22, 0x4d, 0x18, ...header, check];
  return joined([Uint8Array.from(start), Uint8Array.from(data), new Uint8Array(4)]);
}

/** A literal, a match of `length` bytes, and a literal. */
function run(length: number): Block {
  const rest = length - 4 - 15;
  const lengths = [...Array<number>(Math.floor(rest / 255)).fill(255), rest % 255];
  return { bytes: [0x1f, 7, 1, 0, ...lengths, 0x10, 7] };
}

const LINKED = 0x40;
const INDEPENDENT = 0x60;
/** Eight literals. */
const LITERALS: Block = { bytes: [0x80, 1, 2, 3, 4, 5, 6, 7, 8] };
/** Four bytes from eight before, then a literal. */
const REPEATS: Block = { bytes: [0x00, 8, 0, 0x10, 9] };

describe("rules of the frame", () => {
  const expanded = (bytes: Uint8Array) => [...expandLz4(bytes, LIMIT).bytes];

  test("blocks that are linked repeat what came before, independent ones must not", () => {
    const blocks = [LITERALS, REPEATS];
    expect(expanded(frame(LINKED, 0x40, blocks))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 9]);
    expect(messageOf(frame(INDEPENDENT, 0x40, blocks))).toMatch(/at offset 0x19 are damaged$/);
  });

  test.each([4, 5, 6, 7])("size %d of blocks is kept, raw and expanded", (number) => {
    const most = 1 << (8 + 2 * number);
    const raw = (size: number): Block => ({ bytes: Array<number>(size).fill(1), raw: true });
    const limit = 1 << 23;
    const sizes = number << 4;
    expect(expandLz4(frame(LINKED, sizes, [raw(most)]), limit).bytes.length).toBe(most);
    const large = frame(LINKED, sizes, [raw(most + 1)]);
    expect(refusal(() => expandLz4(large, limit)).message).toBe(
      `lz4: a block of ${most + 1} bytes at offset 0x7, where ${most} are the most`,
    );
    expect(expandLz4(frame(LINKED, sizes, [run(most - 2)]), limit).bytes.length).toBe(most);
    for (const length of [most - 1, most]) {
      const over = frame(LINKED, sizes, [run(length)]);
      expect(refusal(() => expandLz4(over, limit)).message).toMatch(/are damaged$/);
    }
  });

  test.each([
    ["another version", 0x80, 0x40, [], /version 2 at offset 0x4, not 1/],
    ["the reserved flag", LINKED | 0x02, 0x40, [], /a reserved bit is set at offset 0x4/],
    ["a reserved bit above the size of blocks", LINKED, 0xc0, [], /a reserved bit is set/],
    ["a reserved bit below it", LINKED, 0x41, [], /a reserved bit is set/],
    ["size 3 of blocks", LINKED, 0x30, [], /unknown block size code 3 at offset 0x5/],
    ["a dictionary", LINKED | 0x01, 0x40, [1, 0, 0, 0], /needs the dictionary .* offset 0x6/],
    ["less content", LINKED | 0x08, 0x40, [...u32(9), ...u32(0)], /8 bytes .*header says 9/],
    ["endless content", LINKED | 0x08, 0x40, [...u32(9), ...u32(9)], /more than 1048576 bytes/],
  ])("refused: %s", (_, flags, sizes, fields, message) => {
    expect(messageOf(frame(flags, sizes, [LITERALS], fields))).toMatch(message);
  });

  test("refused: a block that ends with a match, and one of a distance of 0", () => {
    const matchLast: Block = { bytes: [...LITERALS.bytes.with(0, 0x80), 8, 0] };
    expect(messageOf(frame(LINKED, 0x40, [matchLast]))).toBe("lz4: the block at 0xb is damaged");
    const zero: Block = { bytes: [...LITERALS.bytes, 0, 0, 0x10, 9] };
    expect(messageOf(frame(LINKED, 0x40, [zero]))).toMatch(/at offset 0x14 are damaged$/);
  });

  test("a skippable frame may come first; cut short, it and a second frame are refused", () => {
    const skippable = Uint8Array.of(0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3);
    const one = frame(LINKED, 0x40, [LITERALS]);
    const file = joined([skippable, one]);
    expect(wrapperOf(file)).toBe("lz4");
    expect(expanded(file)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    for (const next of [skippable, one]) {
      for (let length = 4; length < next.length; length += 1) {
        expect(messageOf(joined([one, next.subarray(0, length)]))).toMatch(/cut short/);
      }
    }
  });
});

describe("legacy frames", () => {
  const one = packedBy(["lz4", "-q", "-c", "-l"], INNER);
  const twice = joined([INNER, INNER]);

  test.each([
    ["another legacy one", joined([one, one])],
    ["one with checksums", joined([one, lz4()])],
    [
      "a skippable one, and another",
      joined([one, Uint8Array.of(0x50, 42, 77, 24, 0, 0, 0, 0), one]),
    ],
    ["one with checksums before it", joined([lz4(), one])],
  ])("%s", (_, file) => {
    const { bytes, end } = expandLz4(file, LIMIT);
    expect(Buffer.compare(bytes, twice)).toBe(0);
    expect(end).toBe(file.length);
  });

  test("zeros behind it, and behind the appended size, are no part of it", () => {
    for (const packed of [one, lz4Legacy(INNER)]) {
      for (const zeros of [1, 3, 4, 512]) {
        const { bytes, end } = expandLz4(joined([packed, new Uint8Array(zeros)]), LIMIT);
        expect(Buffer.compare(bytes, INNER)).toBe(0);
        expect(end).toBe(packed.length);
      }
    }
  });

  test("anything else behind it is a block, and refused", () => {
    const garbage = (...bytes: number[]) => messageOf(joined([one, Uint8Array.from(bytes)]));
    expect(garbage(1, 2, 3, 4)).toMatch(/^lz4: 67305985 is not a size of a block, at offset 0x/);
    expect(garbage(0, 0, 0, 0, 1)).toMatch(/^lz4: 0 is not a size of a block/);
    expect(garbage(9, 0, 0, 0, 1)).toMatch(/cut short/);
    expect(garbage(9)).toMatch(/cut short/);
  });

  test("a block expands to at most 8 MiB", () => {
    const legacy = ({ bytes }: Block) =>
      Uint8Array.from([2, 0x21, 0x4c, 0x18, ...u32(bytes.length), ...bytes]);
    const limit = 32 << 20;
    const most = 8 << 20;
    expect(expandLz4(legacy(run(most - 2)), limit).bytes.length).toBe(most);
    for (const length of [most - 1, most]) {
      const { message } = refusal(() => expandLz4(legacy(run(length)), limit));
      expect(message).toMatch(/are damaged$/);
    }
    const twoBlocks = packedBy(["lz4", "-q", "-c", "-l"], new Uint8Array(most + 1));
    expect(expandLz4(twoBlocks, limit).bytes.length).toBe(most + 1);
  });

  test("nothing but magic numbers", () => {
    expect(messageOf(Uint8Array.of(2, 0x21, 0x4c, 0x18))).toBe("lz4: holds no data");
  });
});
