/** Memory that is expanded into: what is in it, where it ends, and how much it takes. */

import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { Output } from "../../src/core/output.ts";
import { packedBy } from "../wrapper/make-wrapped.ts";

const ROOT = join(import.meta.dir, "../..");

describe("repetitions, short and long, of every distance", () => {
  test.each([1, 2, 3, 7, 47, 48, 49, 200])("a distance of %d bytes", (distance) => {
    for (const length of [1, 47, 48, 49, 95, 96, 1000]) {
      const output = new Output("test", 1 << 12);
      const wanted = Array.from({ length: distance }, (_, i) => (i * 7 + 1) & 0xff);
      output.add(Uint8Array.from(wanted));
      output.repeat(distance, length);
      for (let i = 0; i < length; i += 1) wanted.push(wanted[wanted.length - distance] ?? 0);
      expect([...output.done()]).toEqual(wanted);
    }
  });
});

describe.each([0, 1, 1 << 16, (1 << 16) + 1, 300_001])("a limit of %d bytes", (limit) => {
  const filled = () => {
    const output = new Output("test", limit);
    for (let i = 0; i < limit; i += 1) output.push(i & 0xff);
    return output;
  };
  const beyond = `test: expands to more than ${limit} bytes, the most that is taken`;

  test("is reached, and what was made is kept", () => {
    const output = filled();
    expect(output.room).toBe(0);
    const bytes = output.done();
    expect(bytes.length).toBe(limit);
    expect(bytes.every((byte, i) => byte === (i & 0xff))).toBe(true);
  });

  test("is not passed, in any way", () => {
    expect(() => filled().push(1)).toThrow(beyond);
    expect(() => filled().add(Uint8Array.of(1))).toThrow(beyond);
    expect(() => filled().repeat(1, 1)).toThrow(beyond);
    const output = filled();
    expect(output.space(100).length).toBe(1);
    expect(() => output.wrote(1)).toThrow(beyond);
    output.wrote(0);
    expect(output.done().length).toBe(limit);
  });
});

test("space is where the next bytes are", () => {
  const output = new Output("test", 1 << 20);
  output.add(Uint8Array.of(1, 2));
  output.space(3).set([3, 4, 5]);
  output.wrote(2);
  expect([...output.done()]).toEqual([1, 2, 3, 4]);
  expect(output.space(1 << 20).length).toBeGreaterThan(0);
});

/** Prints the most memory that one process had, in MiB, before it expands stdin and after. */
const PEAK = `
  const { readFileSync } = require("node:fs");
  const { unwrap } = await import("./src/wrapper/unwrap.ts");
  const { expandLzma } = await import("./src/edge/ffi/lzma.ts");
  const peak = () =>
    Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "latin1"))[1]) >> 10;
  const packed = new Uint8Array(readFileSync(0));
  unwrap(Bun.gzipSync(new Uint8Array(10)), expandLzma);
  const before = peak();
  let made = 0;
  const [limit, own] = JSON.parse(process.argv[1]);
  try {
    made = unwrap(packed, own ? () => null : expandLzma, limit).bytes.length;
  } catch (error) {
    if (!error.message.includes("expands to more than")) throw error;
  }
  console.log(JSON.stringify({ before, after: peak(), made }));
`;

function peakOf(packed: Uint8Array, limit: number, own: boolean) {
  const words = ["-e", PEAK, JSON.stringify([limit, own])];
  const printed = execFileSync(process.execPath, words, { cwd: ROOT, input: packed });
  const found: { before: number; after: number; made: number } = JSON.parse(printed.toString());
  return { more: found.after - found.before, made: found.made };
}

describe("what is expanded is held once, and no more than the limit", () => {
  const MIB = 1 << 20;
  const SIZE = 64;
  const ZEROS = new Uint8Array(SIZE * MIB);
  /** The decoders' own, and what the collector has not taken yet. */
  const BESIDES = 56;

  test.each([
    ["gzip", ["gzip", "-c"], false],
    ["zstd", ["zstd", "-q", "-c"], false],
    ["xz by liblzma", ["xz", "-c", "-0"], false],
    ["xz by our own code", ["xz", "-c", "-0"], true],
    ["lz4", ["lz4", "-q", "-c"], false],
    ["lz4 (legacy)", ["lz4", "-q", "-c", "-l"], false],
    ["bzip2", ["bzip2", "-c"], false],
  ] as const)(
    "%s",
    (_, command, own) => {
      const packed = packedBy(command, ZEROS);
      const whole = peakOf(packed, SIZE * MIB, own);
      expect(whole.made).toBe(SIZE * MIB);
      expect(whole.more).toBeLessThan(SIZE + BESIDES);
      const refused = peakOf(packed, 16 * MIB, own);
      expect(refused.made).toBe(0);
      expect(refused.more).toBeLessThan(16 + BESIDES);
    },
    60_000,
  );
});
