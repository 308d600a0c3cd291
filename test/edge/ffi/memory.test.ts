import { expect, test } from "bun:test";
import { PINNED_MAX, PinnedMemory } from "../../../src/edge/ffi/pinned-memory.ts";
import { addressOf, asPointer, cString, keeping, textAt } from "../../../src/edge/ffi/pointer.ts";

const MIB = 1024 * 1024;

test("memory is zeroed and page-aligned, and its address is that of its bytes", () => {
  const memory = PinnedMemory.allocate(3 * MIB + 1, "a test");
  const bytes = memory.bytes();
  expect(bytes.length).toBe(3 * MIB + 1);
  expect(memory.address % 4096n).toBe(0n);
  expect(addressOf(bytes)).toBe(memory.address);
  expect(bytes.every((byte) => byte === 0)).toBe(true);
  memory.free();
});

test("populate keeps the contents, and accepts a second call and an offset beyond the end", () => {
  const memory = PinnedMemory.allocate(MIB + 1, "a test");
  memory.bytes().fill(7);
  for (const end of [1, MIB, MIB, MIB + 1, 9 * MIB]) memory.populate(end);
  expect(memory.bytes().every((byte) => byte === 7)).toBe(true);
  memory.resize(2 * MIB);
  memory.populate(2 * MIB);
  expect(memory.bytes().subarray(MIB)).toEqual(new Uint8Array(MIB).fill(7, 0, 1));
  memory.free();
});

test("growing and shrinking keep the contents", () => {
  const memory = PinnedMemory.allocate(5000, "a test");
  memory.bytes().fill(7);
  memory.resize(64 * MIB);
  expect(memory.bytes(5001).subarray(4999)).toEqual(new Uint8Array([7, 0]));
  memory.bytes().fill(8, 5000);
  memory.resize(5001);
  expect(memory.size).toBe(5001);
  expect(memory.bytes().subarray(4998)).toEqual(new Uint8Array([7, 7, 8]));
  memory.free();
});

test("after free, bytes() throws and a second free has no effect", () => {
  const memory = PinnedMemory.allocate(1, "a test");
  memory.free();
  memory.free();
  expect(memory.address).toBe(0n);
  expect(() => memory.bytes(0)).toThrow(RangeError);
});

test.each([0, -1, 1.5, PINNED_MAX + 1])("%d bytes are refused", (size) => {
  expect(() => PinnedMemory.allocate(size, "a test")).toThrow(RangeError);
});

test("more bytes than the memory has are refused", () => {
  const memory = PinnedMemory.allocate(10, "a test");
  expect(() => memory.bytes(11)).toThrow(RangeError);
  expect(memory.bytes(0).length).toBe(0);
  memory.free();
});

test("the last byte of the longest memory can be written", () => {
  const memory = PinnedMemory.allocate(PINNED_MAX, "a test");
  const bytes = memory.bytes();
  bytes[PINNED_MAX - 1] = 0x5a;
  expect(bytes.length).toBe(PINNED_MAX);
  expect(bytes[PINNED_MAX - 1]).toBe(0x5a);
  memory.free();
});

test("addressOf an empty array is 0, where the runtime would throw", () => {
  expect(addressOf(new Uint8Array(0))).toBe(0n);
});

test.each([0n, -1n, 1n << 60n])("%p is no address", (address) => {
  expect(() => asPointer(address)).toThrow(RangeError);
});

test("texts are converted to C and back as bytes", () => {
  const text = "b\xe4r\xff";
  const bytes = cString(text);
  expect(bytes).toEqual(new Uint8Array([0x62, 0xe4, 0x72, 0xff, 0]));
  expect(textAt(asPointer(addressOf(bytes)))).toBe(text);
  expect(() => cString("a\0b")).toThrow(RangeError);
});

test("keeping returns the call's result, or throws its error", () => {
  expect(keeping([new Uint8Array(1)], () => 5)).toBe(5);
  const call = () =>
    keeping([], () => {
      throw new RangeError("x");
    });
  expect(call).toThrow("x");
});
