import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Reader } from "../../src/core/bytes.ts";
import { KexecError } from "../../src/core/error.ts";
import { blob, defineStruct, u8, u16, u32, u64 } from "../../src/core/struct.ts";

const Example = defineStruct("example", 24, {
  flag: u8(0x00),
  port: u16(0x02),
  size: u32(0x04),
  address: u64(0x08),
  name: blob(0x10, 4),
});
const anyValue = fc.record({
  flag: fc.integer({ min: 0, max: 0xff }),
  port: fc.integer({ min: 0, max: 0xffff }),
  size: fc.integer({ min: 0, max: 0xffffffff }),
  address: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  name: fc.uint8Array({ minLength: 4, maxLength: 4 }),
});

describe("defineStruct", () => {
  test("reads little-endian numbers at the offsets given", () => {
    const bytes = Uint8Array.from({ length: 24 }, (_, i) => i);
    expect(Example.read(bytes)).toEqual({
      flag: 0,
      port: 0x0302,
      size: 0x07060504,
      address: 0x0f0e0d0c0b0a0908n,
      name: Uint8Array.of(16, 17, 18, 19),
    });
  });

  test("read returns the values that write wrote, at any base", () => {
    fc.assert(
      fc.property(anyValue, fc.nat(40), (value, base) => {
        const bytes = new Uint8Array(base + 24);
        Example.write(bytes, value, base);
        expect(Example.read(bytes, base)).toEqual(value);
        expect(bytes.subarray(0, base).every((b) => b === 0)).toBe(true);
      }),
    );
  });

  test("writes only the fields given", () => {
    const bytes = new Uint8Array(24).fill(0xaa);
    Example.write(bytes, { port: 0x1234 });
    const want = new Uint8Array(24).fill(0xaa);
    want[2] = 0x34;
    want[3] = 0x12;
    expect(bytes).toEqual(want);
  });

  test("a structure that is truncated at any offset is struct.truncated", () => {
    for (let length = 0; length < 20; length += 1) {
      expect(() => Example.read(new Uint8Array(length))).toThrow(KexecError);
    }
    expect(() => Example.read(new Uint8Array(20))).not.toThrow();
  });

  test("values that do not fit throw RangeError", () => {
    const bytes = new Uint8Array(24);
    expect(() => Example.write(bytes, { flag: 256 })).toThrow(RangeError);
    expect(() => Example.write(bytes, { port: -1 })).toThrow(RangeError);
    expect(() => Example.write(bytes, { address: 1n << 64n })).toThrow(RangeError);
    expect(() => Example.write(bytes, { name: new Uint8Array(3) })).toThrow(RangeError);
  });

  test("describes fields by name and offset", () => {
    expect(Example.describe({ port: 0x12, name: Uint8Array.of(1, 2, 3, 4) })).toEqual([
      "port @0x2 = 0x12",
      "name @0x10 = 01020304",
    ]);
  });

  test("a field outside the structure throws RangeError", () => {
    expect(() => defineStruct("bad", 4, { late: u32(2) })).toThrow(RangeError);
  });
});

test("Reader names the structure, the offset and both sizes", () => {
  expect(() => new Reader(new Uint8Array(3), "thing").u32(0x10)).toThrow(
    "thing: cut short: 4 bytes at offset 0x10 are needed, there are 3 bytes in all",
  );
});
