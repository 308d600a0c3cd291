import { expect, test } from "bun:test";
import fc from "fast-check";
import { alignDown, alignUp, humanSize, isPowerOfTwo, toLength } from "../../src/core/address.ts";
import {
  bytesOf,
  hexOf,
  isByteString,
  startsWith,
  textOf,
  textUntilNul,
} from "../../src/core/bytes.ts";
import { sha256 } from "../../src/core/digest.ts";
import { KexecError } from "../../src/core/error.ts";

test("byte strings keep every byte", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(bytesOf(textOf(bytes))).toEqual(bytes);
      expect(isByteString(textOf(bytes))).toBe(true);
    }),
  );
});

test("a character that is not a byte throws RangeError", () => {
  expect(isByteString("\u0100")).toBe(false);
  expect(() => bytesOf("\u20ac")).toThrow(RangeError);
});

test("textUntilNul stops at the first NUL", () => {
  expect(textUntilNul(bytesOf("ab\0cd"))).toBe("ab");
  expect(textUntilNul(bytesOf("ab"))).toBe("ab");
});

test("startsWith", () => {
  expect(startsWith(bytesOf("HdrS..."), bytesOf("HdrS"))).toBe(true);
  expect(startsWith(bytesOf("Hdr"), bytesOf("HdrS"))).toBe(false);
});

test("alignment brackets the value", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 1n << 63n }), fc.integer({ min: 0, max: 40 }), (v, n) => {
      const alignment = 1n << BigInt(n);
      const down = alignDown(v, alignment);
      const up = alignUp(v, alignment);
      expect(down <= v && v <= up && up - down < alignment * 2n).toBe(true);
      expect(down % alignment === 0n && up % alignment === 0n).toBe(true);
    }),
  );
});

test.each([
  [0n, "0 bytes"],
  [1023n, "1023 bytes"],
  [4096n, "4 KiB"],
  [1536n * 1024n, "1.5 MiB"],
  [1n << 40n, "1 TiB"],
])("humanSize(%p) is %p", (value, want) => {
  expect(humanSize(value)).toBe(want);
});

test("sizes that are not buffer lengths are refused", () => {
  expect(toLength(5n, "x")).toBe(5);
  expect(() => toLength(-1n, "x")).toThrow(KexecError);
  expect(() => toLength(1n << 60n, "x")).toThrow(KexecError);
});

test("isPowerOfTwo", () => {
  expect([0n, 1n, 2n, 3n, 4096n, 4097n].map(isPowerOfTwo)).toEqual([
    false,
    true,
    true,
    false,
    true,
    false,
  ]);
});

test("sha256 of the empty input and of parts", () => {
  expect(hexOf(sha256())).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  expect(sha256(bytesOf("ab"), bytesOf("c"))).toEqual(sha256(bytesOf("abc")));
});
