/** Our own xz and lzma against xz itself: presets, filters, checksums, and what is damaged. */

import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readSync } from "node:fs";
import * as zlib from "node:zlib";
import { joined } from "../../src/core/bytes.ts";
import { KexecError } from "../../src/core/error.ts";
import { expandLzma } from "../../src/edge/ffi/lzma.ts";
import { wrapperOf } from "../../src/wrapper/recognise.ts";
import { expandXz } from "../../src/wrapper/xz.ts";
import { orRefusal, refusal } from "../kexec-error.ts";
import { packedBy } from "./make-wrapped.ts";

const LIMIT = 1 << 24;
const xz = (bytes: Uint8Array, ...flags: string[]) => packedBy(["xz", "-c", ...flags], bytes);

/** Code of x86 with calls and jumps: the runtime's own. */
function machineCode(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const fd = openSync(process.execPath, "r");
  readSync(fd, bytes, 0, length, 40_000_000);
  closeSync(fd);
  return bytes;
}

/** Nothing in it repeats: xz copies it. */
function noise(length: number): Uint8Array {
  let state = 1;
  return new Uint8Array(length).map(() => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state >>> 24;
  });
}

/** Opcodes and sign bytes only, in all orders: the x86 filter's every case. */
const CALLS = noise(50_000).map((byte) => [0xe8, 0xe9, 0x00, 0xff, 0x12, 0xfe][byte % 6] ?? 0);
const CODE = machineCode(300_000);
const INNER = CODE.subarray(0, 3000);
const STREAM_HEADER = 12;
const MIXED = joined([CODE, noise(200_000), new Uint8Array(300_000), CODE.subarray(7), CALLS]);

const expand = (bytes: Uint8Array) => expandXz(bytes, LIMIT).bytes;
const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

describe("what xz makes is expanded", () => {
  test.each([
    "-0",
    "-3",
    "-6",
    "-9e",
    "--check=none",
    "--check=crc32",
    "--check=sha256",
    "-T2 --block-size=100KiB",
    "-T1 --block-size=100KiB",
    "--x86 --lzma2=preset=0",
    "--x86 --lzma2=dict=32MiB --check=crc32",
    "--x86=start=65536 --lzma2=preset=1",
    "--x86 --lzma2=preset=0 -T1 --block-size=99991",
    "--delta=dist=1 --lzma2=preset=0",
    "--delta=dist=256 --x86 --delta=dist=4 --lzma2=preset=0",
    "--lzma2=lc=0,lp=4,pb=0",
    "--lzma2=lc=4,lp=0,pb=4",
    "--lzma2=lc=1,lp=3,pb=2,dict=4KiB,mode=fast,nice=2",
    "--lzma2=mf=hc3,mode=fast,nice=273",
    "--format=lzma -0",
    "--format=lzma -9",
    "--format=lzma --lzma1=lc=2,lp=2,pb=0,dict=4KiB",
  ])("%s", (flags) => {
    for (const bytes of [MIXED, CALLS]) {
      expect(same(expand(xz(bytes, ...flags.split(" "))), bytes)).toBe(true);
    }
  });

  test("nothing, one byte, and what is shorter than a filter looks", () => {
    for (const length of [0, 1, 4, 5, 6]) {
      const bytes = CALLS.subarray(0, length);
      for (const flags of [[], ["--x86", "--lzma2"], ["--format=lzma"]]) {
        expect(same(expand(xz(bytes, ...flags)), bytes)).toBe(true);
      }
    }
  });

  test("an lzma file with its size in the header, with the end marker and without", () => {
    const bytes = CODE.subarray(0, 5000);
    const withMarker = xz(bytes, "--format=lzma").slice();
    new DataView(withMarker.buffer).setBigUint64(5, BigInt(bytes.length), true);
    expect(same(expand(withMarker), bytes)).toBe(true);
    new DataView(withMarker.buffer).setBigUint64(5, BigInt(bytes.length - 1), true);
    expect(refusal(() => expandXz(withMarker, LIMIT)).message).toContain("damaged before offset");
  });

  test("streams after one another are joined, what follows is ignored", () => {
    const stream = xz(CODE);
    const garbage = noise(20);
    const streams = joined([stream, xz(new Uint8Array()), stream]);
    const { bytes, end } = expandXz(joined([streams, garbage]), LIMIT);
    expect(same(bytes, joined([CODE, CODE]))).toBe(true);
    expect(end).toBe(streams.length);
  });
});

const HOST_AND_OWN = [
  ["liblzma", (bytes: Uint8Array) => expandLzma(bytes, LIMIT)],
  ["our own code", (bytes: Uint8Array) => expandXz(bytes, LIMIT)],
] as const;

describe.each(HOST_AND_OWN)("streams after one another, by %s", (_, decode) => {
  const stream = xz(INNER);
  const zeros = (length: number) => new Uint8Array(length);
  const garbage = noise(20);

  test.each([0, 4, 8, 4096])("with %d bytes of padding between and behind them", (padding) => {
    const streams = joined([stream, zeros(padding), stream, zeros(padding), stream]);
    for (const behind of [zeros(0), zeros(3), zeros(512), garbage, joined([zeros(4), garbage])]) {
      const got = decode(joined([streams, behind]));
      expect(same(got?.bytes ?? zeros(0), joined([INNER, INNER, INNER]))).toBe(true);
      expect(got?.end).toBe(streams.length);
    }
  });

  test.each([1, 2, 3, 5])("padding of %d bytes is refused", (padding) => {
    const { message } = refusal(() => decode(joined([stream, zeros(padding), stream])));
    const at = `0x${stream.length.toString(16)}`;
    expect(message).toBe(`xz: ${padding} bytes of padding at offset ${at}, no multiple of 4`);
  });

  test("a later stream that is cut short or damaged is refused", () => {
    const two = joined([stream, zeros(4), stream]);
    for (let length = stream.length + 10; length < two.length; length += 1) {
      expect(refusal(() => decode(two.subarray(0, length))).message).toMatch(/cut short/);
    }
    expect(refusal(() => decode(two.with(two.length - 1, 0))).message).toMatch(/^xz/);
  });

  test("behind an lzma file nothing is looked for", () => {
    const lzma = xz(INNER, "--format=lzma");
    const got = decode(joined([lzma, stream]));
    expect(got?.end).toBe(lzma.length);
    expect(same(got?.bytes ?? zeros(0), INNER)).toBe(true);
  });
});

describe("what liblzma leaves to our own code", () => {
  test("a dictionary that takes more memory than what is in the file", () => {
    for (const flags of [["--lzma2=dict=512MiB"], ["--format=lzma", "--lzma1=dict=512MiB"]]) {
      const packed = withDictionaryOf512MiB(flags);
      expect(expandLzma(packed, LIMIT)).toBeNull();
      expect(same(expand(packed), INNER)).toBe(true);
    }
  });

  test("a kind of checksum that it does not know, which is refused", () => {
    const packed = xz(INNER, "--check=crc32").slice();
    const view = new DataView(packed.buffer);
    packed[7] = 2;
    view.setUint32(8, zlib.crc32(packed.subarray(6, 8)), true);
    expect(expandLzma(packed, LIMIT)).toBeNull();
    expect(refusal(() => expandXz(packed, LIMIT)).message).toMatch(
      /kind of checksum that is not supported/,
    );
  });

  test("a filter that it may not know, which our own code names", () => {
    const packed = withFilter(0x7f);
    expect(expandLzma(packed, LIMIT)).toBeNull();
    const { message } = refusal(() => expandXz(packed, LIMIT));
    expect(message).toBe("xz: the filter 0x7f at offset 0xe is not supported");
  });
});

/** The size is changed in the header: making such a file takes xz gigabytes. */
function withDictionaryOf512MiB(flags: readonly string[]): Uint8Array {
  const packed = xz(INNER, ...flags.map((flag) => flag.replace("512MiB", "64KiB"))).slice();
  const view = new DataView(packed.buffer);
  if (packed[0] === 0x5d) {
    view.setUint32(1, 512 << 20, true);
    return packed;
  }
  // Block header: size, flags, filter 0x21, 1 byte of properties. 2^29 has the number 34.
  packed[STREAM_HEADER + 4] = 34;
  view.setUint32(STREAM_HEADER + 8, zlib.crc32(packed.subarray(12, STREAM_HEADER + 8)), true);
  return packed;
}

/** A block whose first filter, x86, has another number. */
function withFilter(id: number): Uint8Array {
  const packed = xz(INNER, "--x86", "--lzma2=preset=0").slice();
  packed[STREAM_HEADER + 2] = id;
  const size = 4 * ((packed[STREAM_HEADER] ?? 0) + 1);
  const sumAt = STREAM_HEADER + size - 4;
  const view = new DataView(packed.buffer);
  view.setUint32(sumAt, zlib.crc32(packed.subarray(STREAM_HEADER, sumAt)), true);
  return packed;
}

test("lzma is recognised by a header whose every field is right", () => {
  for (const flags of ["lc=2,lp=2,pb=0,dict=4KiB", "lc=0,lp=4,pb=4,dict=96KiB", "dict=4KiB"]) {
    const packed = xz(INNER, "--format=lzma", `--lzma1=${flags}`);
    expect(wrapperOf(packed)).toBe("lzma");
    const sized = packed.slice();
    const view = new DataView(sized.buffer);
    view.setBigUint64(5, BigInt(INNER.length), true);
    expect(wrapperOf(sized)).toBe("lzma");
    view.setBigUint64(5, 1n << 38n, true);
    expect(wrapperOf(sized)).toBeNull();
    // No such properties, lc + lp of 5, no such dictionary, no range coder.
    for (const [at, value] of [
      [0, 225],
      [0, 9 * 4 + 1],
      [2, 0x11],
      [13, 1],
    ] as const) {
      expect(wrapperOf(packed.with(at, value))).toBeNull();
    }
  }
});

describe("refused", () => {
  const inner = joined([CODE.subarray(0, 1500), noise(300)]);
  const small = [
    xz(inner),
    xz(inner, "--check=crc32", "--x86", "--lzma2=preset=1"),
    xz(inner, "--check=sha256", "-T2", "--block-size=700"),
  ];

  test("cut anywhere", () => {
    for (const bytes of [...small, xz(inner, "--format=lzma")]) {
      for (let length = 13; length < bytes.length; length += 1) {
        const { message } = refusal(() => expandXz(bytes.subarray(0, length), LIMIT));
        expect(message).toMatch(/cut short/);
      }
    }
  });

  test("a changed byte anywhere, with its offset", () => {
    for (const bytes of small) {
      for (let at = 6; at < bytes.length; at += 1) {
        for (const flip of [0x01, 0x80, 0xff]) {
          const changed = bytes.with(at, (bytes[at] ?? 0) ^ flip);
          const { message } = refusal(() => expandXz(changed, LIMIT));
          expect(message).toMatch(/^xz: .*(offset 0x|of a kind that is not known|more than)/);
        }
      }
    }
  });

  test("of lzma, which has no checksum, what liblzma refuses", () => {
    const bytes = xz(inner, "--format=lzma");
    const outcome = (decode: typeof expandLzma, file: Uint8Array) => {
      const bytes = orRefusal(() => decode(file, LIMIT)?.bytes);
      return bytes instanceof KexecError ? "refused" : bytes;
    };
    for (let at = 1; at < bytes.length; at += 1) {
      for (const flip of [0x01, 0x10, 0xff]) {
        const changed = bytes.with(at, (bytes[at] ?? 0) ^ flip);
        expect(outcome(expandXz, changed)).toEqual(outcome(expandLzma, changed));
      }
    }
  });

  test("a filter for other processors, by its number", () => {
    const { message } = refusal(() => expandXz(xz(inner, "--arm", "--lzma2=preset=0"), LIMIT));
    expect(message).toBe("xz: the filter 0x7 at offset 0xe is not supported");
  });

  test("what expands beyond the limit, before it fills memory", () => {
    const bomb = new Uint8Array(64 << 20);
    for (const flags of [["-0"], ["-0", "--format=lzma"]]) {
      expect(() => expandXz(xz(bomb, ...flags), 1 << 20)).toThrow(/more than 1048576 bytes/);
    }
  });
});
