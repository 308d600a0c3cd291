import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { unpackKernel } from "../../../../src/arch/x86-64/image/unpacked-kernel.ts";
import { ImageError, KexecError } from "../../../../src/core/error.ts";
import {
  filled,
  type KernelParts,
  LINKED,
  makeExpanded,
  PARTS,
  RELOCATIONS,
} from "../../../images/make-payload.ts";
import { refusal } from "../../../kexec-error.ts";

const HEADER = { kernel_alignment: 0x200000, pref_address: LINKED, init_size: 0x100000 };
const ALIGNMENT = 0x200000n;
/** The kernel's memory in whole large pages. */
const SIZE = 0x200000n;

const unpacked = (kernel: KernelParts = {}, header: Partial<typeof HEADER> = {}) =>
  unpackKernel(makeExpanded(kernel), { ...HEADER, ...header }, null);

/** The kernel at the nth virtual address. */
const moved = (n: bigint, kernel: KernelParts = {}) =>
  unpackKernel(makeExpanded(kernel), HEADER, { virtual: n, physical: 7n });

const bytesOf = (kernel: ReturnType<typeof unpacked>, i: number): Uint8Array =>
  kernel.parts[i]?.bytes ?? new Uint8Array(0);

describe("a kernel that is not moved", () => {
  test("is its segments, whole pages each, without the zeros at their end", () => {
    const kernel = unpacked();
    expect(kernel).toMatchObject({ size: SIZE, alignment: ALIGNMENT, min: LINKED, random: null });
    expect(kernel.entry).toBe(0x40n);
    expect(kernel.parts.map(({ offset, size, bytes }) => [offset, size, bytes.length])).toEqual([
      [0n, 0x3000n, 0x2100],
      [0x3000n, 0x1000n, 0x1000],
      [0x4000n, 0x2000n, 0x800],
    ]);
    expect(kernel.parts.map(({ bytes }) => bytes)).toEqual([
      filled(0x2100),
      filled(0x1000),
      filled(0x800),
    ]);
  });

  test("keeps memory behind its bytes, and a larger alignment of its header", () => {
    const [text] = PARTS;
    const parts = text === undefined ? [] : [{ ...text, memorySize: 0x301000n }];
    const sizes = { relocations: { add64: [], add32: [] }, parts };
    expect(unpacked(sizes, { init_size: 0x400000 })).toMatchObject({ size: 0x400000n });
    expect(unpacked({}, { kernel_alignment: 0x1000000 }).alignment).toBe(0x1000000n);
    expect(unpacked({}, { kernel_alignment: 0x1000 }).alignment).toBe(ALIGNMENT);
  });
});

describe("a kernel at another virtual address", () => {
  const u32 = (bytes: Uint8Array, at: number) =>
    new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);

  test("has the numbers of the lists changed, whatever their parts", () => {
    const [before, after] = [unpacked(), moved(3n)];
    const delta = 3 * 0x200000;
    expect(after.random).toBe(7n);
    expect(u32(bytesOf(after, 0), 0x300)).toBe(u32(bytesOf(before, 0), 0x300) + delta);
    expect(u32(bytesOf(after, 1), 0x20)).toBe(u32(bytesOf(before, 1), 0x20) - delta);
    expect(u32(bytesOf(after, 1), 0x10)).toBe(u32(bytesOf(before, 1), 0x10) + delta);
    expect({ ...after, parts: [] }).toEqual({ ...before, parts: [], random: 7n });
  });

  test("each multiple of the alignment below 1 GiB, and no other", () => {
    const offsetOf = (n: bigint) =>
      u32(bytesOf(moved(n), 0), 0x300) - u32(bytesOf(unpacked(), 0), 0x300);
    const count = (0x40000000n - LINKED - SIZE) / ALIGNMENT + 1n;
    expect(offsetOf(count - 1n)).toBe(0x40000000 - Number(LINKED + SIZE));
    expect(offsetOf(count)).toBe(0);
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (n) => {
        expect(offsetOf(n)).toBe(Number((n % count) * ALIGNMENT));
      }),
      { numRuns: 30 },
    );
  });

  test("the lists of Linux since 6.15", () => {
    const { add64, add32 } = RELOCATIONS;
    const kernel = moved(1n, { relocations: { add64, add32 } });
    expect(u32(bytesOf(kernel, 1), 0x20)).toBe(u32(bytesOf(unpacked(), 1), 0x20));
    expect(u32(bytesOf(kernel, 0), 0x304)).toBe(u32(bytesOf(unpacked(), 0), 0x304) + 0x200000);
  });
});

describe("what is unexpected is refused", () => {
  const at = (i: number, change: object): KernelParts => ({
    parts: PARTS.map((part, k) => (k === i ? { ...part, ...change } : part)),
  });

  test.each<[string, KernelParts, Partial<typeof HEADER>, string]>([
    ["another architecture", { machine: 183 }, {}, "wrong e_machine 183"],
    ["position-independent", { type: 3 }, {}, "it is position-independent"],
    ["lists missing", { behind: new Uint8Array(0) }, {}, "the relocation lists are missing"],
    ["other data behind it", { behind: filled(16) }, {}, "do not begin with a zero"],
    ["another pref_address", {}, { pref_address: 0x200000n }, "its header has 0x200000"],
    ["more memory than init_size", {}, { init_size: 0x5fff }, "takes 0x6000 bytes, its header has"],
    ["linked for a user's address", at(0, { virtual: LINKED }), {}, "mapped at 0x1000000"],
    ["a part in the middle of a page", at(1, { physical: LINKED + 0x2800n }), {}, "share a page"],
    ["an entry that is nowhere", { entry: 0x2140n }, {}, "in no PT_LOAD segment"],
    ["a virtual entry", { entry: 0x40n }, {}, "0x40 is no physical entry point"],
    ["an alignment that it does not have", {}, { kernel_alignment: 0x2000000 }, "no multiple"],
  ])("%s", (_, kernel, header, why) => {
    const error = refusal(() => unpacked(kernel, header));
    expect(error).toBeInstanceOf(ImageError);
    expect(error.message).toContain(why);
  });

  test.each<[string, number, number]>([
    ["no section headers", 60, 0],
    ["more section headers than bytes", 60, 0xffff],
    ["section headers of another size", 58, 40],
  ])("%s", (_, offset, value) => {
    const file = makeExpanded();
    new DataView(file.buffer).setUint16(offset, value, true);
    expect(refusal(() => unpackKernel(file, HEADER, null)).message).toContain("section headers");
  });

  test("a file that is cut short anywhere gives an error or the same kernel", () => {
    const whole = makeExpanded();
    const expected = unpackKernel(whole.slice(), HEADER, null);
    const accepted: number[] = [];
    for (let length = 0; length < whole.length; length += 1) {
      try {
        const kernel = unpackKernel(whole.slice(0, length), HEADER, null);
        expect(kernel).toEqual(expected);
        accepted.push(whole.length - length);
      } catch (error) {
        if (!(error instanceof KexecError)) throw error;
      }
    }
    // Two lists or three that end early: only the size in the payload tells.
    expect(accepted).toEqual([28, 24, 20, 16, 12, 8, 4]);
  });
});
