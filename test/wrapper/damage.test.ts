/** Every decoder, on small files: cut at every length, and changed at every byte, what comes is a
 * result or an error for users, soon, and in little memory. */

import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { joined } from "../../src/core/bytes.ts";
import { KexecError } from "../../src/core/error.ts";
import { expandLzma } from "../../src/edge/ffi/lzma.ts";
import { expandModule, unwrap } from "../../src/wrapper/unwrap.ts";
import { lz4Frame, lz4Legacy, packedBy, zboot } from "./make-wrapped.ts";

const SEED = 20240607;
const LIMIT = 1 << 16;
const SLOWEST_MS = 2000;
/** More than a decoder and the collector's delay need, and less than a bomb. */
const MEMORY_MIB = 256;

/** Some text, some that repeats, and some that does not. */
const INNER = joined([
  Uint8Array.from(Buffer.from("a kernel, or what is taken for one. ")),
  new Uint8Array(300).map((_, i) => i % 7),
  new Uint8Array(150).map((_, i) => (i * i * 31) >> 3),
]);
const by = (...command: string[]) => packedBy(command, INNER);
const padding = new Uint8Array(4);

const SAMPLES = {
  gzip: by("gzip", "-c"),
  "two gzip members": joined([by("gzip", "-c"), by("gzip", "-c", "-1")]),
  zstd: by("zstd", "-q", "-c"),
  "two zstd frames": joined([by("zstd", "-q", "-c"), by("zstd", "-q", "-c", "--no-check")]),
  xz: by("xz", "-c", "--x86", "--lzma2=preset=0"),
  "two xz streams": joined([by("xz", "-c"), padding, by("xz", "-c", "--check=sha256")]),
  lzma: by("xz", "-c", "--format=lzma"),
  lz4: by("lz4", "-q", "-c", "-BX", "--content-size"),
  "lz4 without checksums": lz4Frame(INNER),
  "lz4 (legacy)": lz4Legacy(INNER),
  bzip2: by("bzip2", "-c"),
  "EFI zboot": zboot(by("gzip", "-c"), "gzip"),
};

/** One file and one way to read it; throws what is no error for users. */
function read(bytes: Uint8Array, liblzma: typeof expandLzma): void {
  const start = performance.now();
  expandModule(bytes, liblzma, LIMIT);
  try {
    expect(unwrap(bytes, liblzma, LIMIT).bytes.length).toBeLessThanOrEqual(
      Math.max(LIMIT, bytes.length),
    );
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    expect(error.code).toMatch(/^(image\.wrapper|struct\.truncated)$/);
  }
  expect(performance.now() - start).toBeLessThan(SLOWEST_MS);
}

/** [linux Documentation/filesystems/proc.rst] */
function residentMiB(): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1")) ?? [];
  return Number(kib) / 1024;
}

const before = residentMiB();
afterAll(() => {
  Bun.gc(true);
  expect(residentMiB() - before).toBeLessThan(MEMORY_MIB);
});

const noLiblzma = () => null;

function ways(name: string) {
  return /xz|lzma/.test(name) ? [expandLzma, noLiblzma] : [noLiblzma];
}

describe.each(Object.entries(SAMPLES))("%s", (name, file) => {
  test("cut at every length", () => {
    for (const way of ways(name)) {
      for (let length = 0; length <= file.length; length += 1) read(file.subarray(0, length), way);
    }
  });

  test("every byte changed in five ways", () => {
    for (const way of ways(name)) {
      for (let at = 0; at < file.length; at += 1) {
        const byte = file[at] ?? 0;
        for (const value of [0, 0xff, byte ^ 1, byte ^ 0x80, byte + 1]) {
          read(file.with(at, value), way);
        }
      }
    }
  });

  test(`several bytes changed, seed ${SEED}`, () => {
    let state = SEED;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      return ((state >>> 8) * below) >>> 24;
    };
    for (let round = 0; round < 400; round += 1) {
      const bytes = file.slice();
      const changes = 1 + random(6);
      for (let i = 0; i < changes; i += 1) bytes[random(bytes.length)] = random(256);
      for (const way of ways(name)) read(bytes.subarray(0, 1 + random(bytes.length)), way);
      for (const way of ways(name)) read(bytes, way);
    }
  });
});

test("the samples are what they are taken for", () => {
  for (const [name, sample] of Object.entries(SAMPLES)) {
    const { bytes } = unwrap(sample, expandLzma, LIMIT);
    const wanted = name.startsWith("two") ? joined([INNER, INNER]) : INNER;
    expect(Buffer.compare(bytes, wanted)).toBe(0);
  }
});
