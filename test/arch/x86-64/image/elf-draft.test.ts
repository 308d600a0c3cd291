/** ELF executables that are no Linux kernel, alone: what is one, where it goes, and how it learns
 * its command line. [elf] [kexec-tools include/boot/elf_boot.h] */

import { describe, expect, test } from "bun:test";
import { elfX86 } from "../../../../src/arch/x86-64/image/elf-x86.ts";
import { elfX8664 } from "../../../../src/arch/x86-64/image/elf-x86-64.ts";
import { ADDRESS_END } from "../../../../src/core/address.ts";
import { ImageError } from "../../../../src/core/error.ts";
import type { LoaderRequest } from "../../../../src/model/request.ts";
import { bytesAt, draftOf, type Given, imageOf, whyNot } from "../../../image/plan-context.ts";
import { makeDtb } from "../../../images/make-dtb.ts";
import { type ElfParts, makeElf } from "../../../images/make-elf.ts";
import { refusal } from "../../../kexec-error.ts";
import { pattern } from "../../../plan/pieces.ts";
import { NO_LOADER } from "../../../plan/requests.ts";

const CODE = pattern(0x123);
const PARTS = [{ physical: 0x2000000n, bytes: CODE }];
const OF_64: ElfParts = { bits: 64, parts: PARTS };
const OF_32: ElfParts = { bits: 32, parts: PARTS };
const ANYWHERE: ElfParts = { bits: 64, type: 3, parts: [{ physical: 0n, bytes: CODE }], entry: 8n };

/** `OF_64` with little-endian bytes changed at an offset. */
function changed(at: number, ...bytes: number[]): Uint8Array {
  const file = makeElf(OF_64);
  file.set(bytes, at);
  return file;
}

describe("files of other types", () => {
  test.each<[string, Uint8Array, string]>([
    ["no ELF file", pattern(64), 'no 0x7f "ELF" at its start'],
    ["half a header", makeElf(OF_64).subarray(0, 63), "63 bytes are too few"],
    ["32 bits", makeElf(OF_32), "not a 64-bit ELF file"],
    ["big-endian", changed(5, 2), "not a little-endian ELF file"],
    ["for AArch64", makeElf({ ...OF_64, machine: 183 }), "e_machine 183 at offset 0x12"],
    ["an object file", makeElf({ ...OF_64, type: 1 }), "not an executable: e_type 1"],
    ["a core file", makeElf({ ...OF_64, type: 4 }), "not an executable: e_type 4"],
  ])("elf-x86_64: %s", (_, file, why) => {
    expect(whyNot(elfX8664, file)).toContain(why);
  });

  test.each<[string, Uint8Array, string]>([
    ["64 bits", makeElf(OF_64), "not a 32-bit ELF file"],
    ["for x86-64", makeElf({ ...OF_32, machine: 62 }), "e_machine 62 at offset 0x12"],
  ])("elf-x86: %s", (_, file, why) => {
    expect(whyNot(elfX86, file)).toContain(why);
  });
});

describe("broken files", () => {
  const twice = { ...OF_64, parts: [...PARTS, { physical: 0x2000100n, bytes: CODE }] };

  test.each<[string, Uint8Array, string, string]>([
    ["e_phentsize 32", changed(54, 32), "image.elf-header", "32 bytes each, ELF64's have 56"],
    ["headers beyond the end", changed(56, 9), "image.truncated", "its program headers end at"],
    ["no PT_LOAD", changed(64, 4), "image.elf-header", "nothing to load (no PT_LOAD)"],
    [
      "bytes beyond the end",
      makeElf(OF_64).subarray(0, -1),
      "image.truncated",
      "the bytes for 0x2000000 end at 411",
    ],
    [
      "more bytes than memory",
      makeElf({ ...OF_64, parts: [{ physical: 0x2000000n, bytes: CODE, memorySize: 0x122n }] }),
      "image.elf-header",
      "puts 0x123 bytes into 0x122 bytes",
    ],
    [
      "one address twice",
      makeElf(twice),
      "image.elf-header",
      "overlap at physical address 0x2000100",
    ],
    [
      "an entry elsewhere",
      makeElf({ ...OF_64, entry: 0x2000123n }),
      "image.elf-entry",
      "0x2000123 is in no PT_LOAD segment",
    ],
  ])("%s", (_, file, code, words) => {
    const error = refusal(() => elfX8664.parse(file, NO_LOADER));
    expect(error).toBeInstanceOf(ImageError);
    expect<string[]>([error.code, error.message]).toEqual([code, expect.stringContaining(words)]);
  });
});

test.each([
  ["64 bits", elfX8664, OF_64, ADDRESS_END],
  ["32 bits", elfX86, OF_32, 0x100000000n],
])("what an executable of %s says of itself", (_, type, parts, end) => {
  const file = makeElf(parts);
  expect(imageOf(type, file)).toMatchObject({
    type: type.name,
    commandLineLimit: null,
    takesEfi: false,
    memorySize: BigInt(file.length),
    whyNotByFile: "kexec_file_load does not load ELF executables on this architecture",
    purgatory: { window: { start: 0x3000n, end }, order: "first" },
  });
});

/** RAM is at 0x1000, 0x100000 to 0x40000000, and 0x100000000 to 0x140000000. */
describe("the segments", () => {
  const notes = (start: string, end: string): string =>
    expect.stringMatching(
      new RegExp(`^boot-notes ${start}: 0x\\w+ by 0x4 in \\[0x3000, ${end}\\) from top$`),
    );

  test.each<[string, ElfParts, readonly string[]]>([
    ["one", OF_64, ["kernel 0x2000000: 0x1000 at 0x2000000", notes("0x13ffff000", "2\\^64")]],
    [
      "32 bits: notes with a stack below 4 GiB",
      OF_32,
      ["kernel 0x2000000: 0x1000 at 0x2000000", notes("0x3fffe000", "0x100000000")],
    ],
    [
      "what lies between is not the image's",
      { ...OF_64, parts: [...PARTS, { physical: 0x2004000n, bytes: CODE, memorySize: 0x1001n }] },
      [
        "kernel 0x2000000 0x2004000: 0x1000 at 0x2000000, 0x2000 at 0x2004000",
        notes("0x13ffff000", "2\\^64"),
      ],
    ],
    [
      "two parts in one page",
      { ...OF_64, parts: [...PARTS, { physical: 0x2000800n, bytes: CODE }] },
      ["kernel 0x2000000: 0x1000 at 0x2000000", notes("0x13ffff000", "2\\^64")],
    ],
    [
      "ET_DYN: the highest page",
      ANYWHERE,
      [
        "kernel 0x13ffff000: 0x1000 by 0x1000 in [0x3000, 2^64) from top",
        notes("0x13fffe000", "2\\^64"),
      ],
    ],
    [
      "ET_DYN: the highest multiple of p_align",
      { ...ANYWHERE, align: 0x200000n },
      [
        "kernel 0x13fe00000: 0x1000 by 0x200000 in [0x3000, 2^64) from top",
        notes("0x13ffff000", "2\\^64"),
      ],
    ],
  ])("%s", (_, parts, asked) => {
    expect(draftOf(parts.bits === 64 ? elfX8664 : elfX86, makeElf(parts)).asked).toEqual([
      ...asked,
    ]);
  });

  test("--args-none: the image alone", () => {
    const { draft, asked } = draftOf(elfX8664, makeElf(OF_64), {}, { argumentStyle: "none" });
    expect(asked).toEqual(["kernel 0x2000000: 0x1000 at 0x2000000"]);
    expect(draft.commandLine).toBeNull();
    expect(draft.entryState).toEqual({ arch: "x86_64", mode: 64, rip: 0x2000000n });
  });

  test("--args-linux: boot params, and the image as one", () => {
    const parts = [...PARTS, { physical: 0x2004000n, bytes: CODE }];
    const file = makeElf({ ...OF_64, parts });
    const { draft, asked } = draftOf(elfX8664, file, {}, { argumentStyle: "linux" });
    expect(asked).toEqual([
      "kernel 0x2000000: 0x5000 at 0x2000000",
      "boot-params 0x13fffe000: 0x1010 by 0x10 in [0x3000, 2^64) from top",
    ]);
    expect(draft.entryState).toMatchObject({ rip: 0x2000000n, rsi: 0x13fffe000n });
  });
});

describe("the entry", () => {
  test("64 bits: RDI has the notes' address", () => {
    const all = draftOf(elfX8664, makeElf(OF_64), { commandLine: "a=b c" });
    expect(all.draft.entryState).toEqual({
      arch: "x86_64",
      mode: 64,
      rip: 0x2000000n,
      rdi: 0x13ffff000n,
    });
    expect(all.draft.commandLine).toBe("a=b c");
    expect(all.draft.commandLineEnd).toBeUndefined();
  });

  test("32 bits: a return address of 0 and the notes' address are on the stack", () => {
    const all = draftOf(elfX86, makeElf(OF_32), { commandLine: "a=b c" });
    expect(all.draft.entryState).toEqual({
      arch: "x86_64",
      mode: 32,
      rip: 0x2000000n,
      rsp: 0x3fffeff8n,
    });
    const view = new DataView(bytesAt(all, 0x3fffeff8n).slice().buffer);
    expect([view.getUint32(0, true), view.getUint32(4, true)]).toEqual([0, 0x3ffff000]);
    // ELF_BOOT_MAGIC. [kexec-tools include/boot/elf_boot.h]
    expect(view.getUint32(8, true)).toBe(0x0e1fb007);
  });

  test.each<[string, ElfParts, bigint]>([
    ["ET_DYN: from where it lies", ANYWHERE, 0x13ffff008n],
    [
      "a virtual address: the physical one that it is mapped from",
      {
        bits: 64,
        parts: [{ physical: 0x2000000n, virtual: 0xffff820000000000n, bytes: CODE }],
        entry: 0xffff820000000010n,
      },
      0x2000010n,
    ],
  ])("%s", (_, parts, rip) => {
    expect(draftOf(elfX8664, makeElf(parts)).draft.entryState).toMatchObject({ rip });
  });

  test("notes: the loader's name and version, and the command line", () => {
    const bytes = bytesAt(draftOf(elfX8664, makeElf(OF_64), { commandLine: "ab" }), 0x13ffff000n);
    const view = new DataView(bytes.slice().buffer);
    expect([view.getUint32(4, true), view.getUint16(10, true)]).toEqual([bytes.length, 3]);
    const found: [number, string][] = [];
    for (let at = 12; at < bytes.length; ) {
      const size = view.getUint32(at + 4, true);
      const text = Buffer.from(bytes.subarray(at + 12, at + 12 + size)).toString("latin1");
      found.push([view.getUint32(at + 8, true), text]);
      at += 12 + Math.ceil(size / 4) * 4;
    }
    // EBN_BOOTLOADER_NAME, EBN_BOOTLOADER_VERSION, EBN_COMMAND_LINE.
    expect(found).toEqual([
      [2, "onekexec\0"],
      [3, expect.stringMatching(/^\d+\.\d+\.\d+\S*\0$/)],
      [4, "ab\0"],
    ]);
  });
});

describe("what cannot be drafted", () => {
  test.each<[string, ElfParts, Given, LoaderRequest["argumentStyle"], string, string]>([
    [
      "an initrd with ELF arguments",
      OF_64,
      { initrd: CODE },
      null,
      "plan.arguments",
      "Ramdisks not supported with generic elf arguments",
    ],
    [
      "--args-none for 32 bits",
      OF_32,
      {},
      "none",
      "plan.arguments",
      "--args-none only works on arch i386",
    ],
    [
      "a device tree with ELF arguments",
      OF_64,
      { dtb: makeDtb("a machine") },
      "elf",
      "image.dtb",
      "an image with elf arguments cannot get a device tree",
    ],
    [
      "an address that is no RAM",
      { ...OF_64, parts: [{ physical: 0x50000000n, bytes: CODE }] },
      {},
      null,
      "plan.not-ram",
      "Invalid memory segment 0x50000000 - 0x50000fff",
    ],
  ])("%s", (_, parts, given, argumentStyle, code, message) => {
    const type = parts.bits === 64 ? elfX8664 : elfX86;
    const error = refusal(() => draftOf(type, makeElf(parts), given, { argumentStyle }));
    expect<string[]>([error.code, error.message]).toEqual([code, message]);
  });
});

describe("parts far apart", () => {
  const GIB = 1n << 30n;
  const free = [{ start: 0x100000n, end: 64n * GIB }];
  const few = pattern(16);
  const apart = (physical: bigint, memorySize?: bigint) => [
    { physical: 0x200000n, bytes: few, ...(memorySize === undefined ? {} : { memorySize }) },
    { physical, bytes: few },
  ];
  const LINUX = { argumentStyle: "linux" } as const;

  test.each<[string, ElfParts, Partial<LoaderRequest>, string[]]>([
    [
      "a gap of 5.5 GiB",
      { bits: 64, parts: apart(0x160200000n) },
      LINUX,
      ["0x200000: 0x1000, 0x10 bytes", "0x160200000: 0x1000, 0x10 bytes"],
    ],
    [
      "memory without bytes, which ends in the next part's page",
      { bits: 64, parts: apart(0x160200800n, 0x160000700n) },
      {},
      ["0x200000: 0x160000000, 0x10 bytes", "0x160200000: 0x1000, 0x810 bytes"],
    ],
    [
      "in an image that can be moved",
      { bits: 64, type: 3, parts: apart(0x160200000n) },
      LINUX,
      ["0xe9ffff000: 0x1000, 0x10 bytes", "0xffffff000: 0x1000, 0x10 bytes"],
    ],
    [
      "32 MiB of zeros are one segment still",
      { bits: 64, parts: apart(0x2200010n) },
      LINUX,
      ["0x200000: 0x2001000, 0x2000020 bytes"],
    ],
    [
      "a byte more is not",
      { bits: 64, parts: apart(0x2200011n) },
      LINUX,
      ["0x200000: 0x1000, 0x10 bytes", "0x2200000: 0x1000, 0x21 bytes"],
    ],
  ])("%s", (_, parts, loader, wanted) => {
    const { segments } = draftOf(elfX8664, makeElf(parts), { free }, loader);
    const kernel = segments.filter((line) => line.startsWith("kernel "));
    expect(kernel).toEqual(wanted.map((line) => `kernel ${line}`));
  });

  const many = (step: bigint): ElfParts => ({
    bits: 64,
    parts: Array.from({ length: 65535 }, (__, i) => ({
      physical: 0x200000n + BigInt(i) * step,
      bytes: few,
    })),
  });

  test("more of them than the host accepts segments are counted before any is placed", () => {
    for (const loader of [{}, LINUX]) {
      const error = refusal(() => draftOf(elfX8664, makeElf(many(0x2000n)), { free }, loader));
      expect([error.code, error.message]).toEqual([
        "plan.segment-count",
        "the image has 65535 parts that lie apart in memory, and this host accepts at most 16 " +
          "segments",
      ]);
    }
  });

  test("65,535 in a row are one segment", () => {
    const { segments } = draftOf(elfX8664, makeElf(many(16n)), { free });
    expect(segments[0]).toBe("kernel 0x200000: 0x100000, 0xffff0 bytes");
  });

  test("headers that load the same bytes again and again are refused", () => {
    const file = makeElf(many(0x10000n));
    const view = new DataView(file.buffer);
    for (let i = 0; i < 65535; i += 1) view.setBigUint64(64 + i * 56 + 32, 0x1000n, true);
    for (let i = 0; i < 65535; i += 1) view.setBigUint64(64 + i * 56 + 40, 0x1000n, true);
    for (let i = 0; i < 65535; i += 1) view.setBigUint64(64 + i * 56 + 8, 0n, true);
    expect(refusal(() => elfX8664.parse(file, NO_LOADER)).message).toBe(
      "the program headers load 256 MiB from the file, which has 4.5 MiB",
    );
  });
});
