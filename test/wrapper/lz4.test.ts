/** lz4's frames as lz4 makes them: every checksum is checked, wherever the damage is. */

import { describe, expect, test } from "bun:test";
import { joined } from "../../src/core/bytes.ts";
import { expandLz4 } from "../../src/wrapper/lz4.ts";
import { refusal } from "../kexec-error.ts";
import { packedBy } from "./make-wrapped.ts";

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
