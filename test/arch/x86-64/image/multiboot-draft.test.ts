/** multiboot-x86 alone: what has a header, where it goes, and what it is told. [multiboot §3] */

import { describe, expect, test } from "bun:test";
import { multibootX86 } from "../../../../src/arch/x86-64/image/multiboot-x86.ts";
import { ImageError } from "../../../../src/core/error.ts";
import type { EfiFacts } from "../../../../src/model/host-facts.ts";
import {
  bytesAt,
  draftOf,
  type Given,
  imageOf,
  textAt,
  whyNot,
} from "../../../image/plan-context.ts";
import { makeElf } from "../../../images/make-elf.ts";
import { multibootElf, multibootHeader } from "../../../images/make-multiboot.ts";
import { refusal } from "../../../kexec-error.ts";
import { pattern } from "../../../plan/pieces.ts";
import { NO_LOADER } from "../../../plan/requests.ts";

const HEADER = multibootHeader(3);
const ELF = multibootElf(HEADER);
const MODULES = [
  { bytes: pattern(0x5001), commandLine: "/boot/vmlinuz ro" },
  { bytes: pattern(0x300), commandLine: "/boot/initrd" },
];
const EFI: EfiFacts = {
  ...{ systab: [], fwVendor: null, runtime: null, configTable: null, runtimeMap: [] },
};

/** `size` bytes with a header at an offset. */
function at(offset: number, header = HEADER, size = 0x4000): Uint8Array {
  const file = new Uint8Array(size);
  file.set(header, offset);
  return file;
}

/** A header with addresses, at 0x100 of the file; the fields' order is the header's. */
const withAddresses = (...addresses: number[]): Uint8Array =>
  at(0x100, multibootHeader(1 << 16, addresses), 0x2000);

describe("files of other types", () => {
  test.each<[string, Uint8Array, string]>([
    ["no header", pattern(0x3000), "no multiboot header in the first 8 KiB"],
    ["a header that ends behind 8192 bytes", at(8184), "no multiboot header"],
    ["a header that is not at a multiple of 4", at(0x102), "no multiboot header"],
    ["a wrong checksum", multibootElf(HEADER.with(8, 0)), "no multiboot header"],
    ["a header without addresses", at(0x100), 'a multiboot header, but no 0x7f "ELF"'],
    ["64-bit ELF", multibootElf(HEADER, 64), "a multiboot header, but not a 32-bit ELF file"],
  ])("%s", (_, file, why) => {
    expect(whyNot(multibootX86, file)).toContain(why);
  });

  test("the last place for a header", () => {
    const header = multibootHeader(1 << 16, [0x400000, 0x400000, 0, 0, 0x400000]);
    expect(imageOf(multibootX86, at(8180, header)).type).toBe("multiboot-x86");
  });
});

// kexec-tools asks for a usable header; other types are tried where it is not. [kexec-tools]
describe("files whose header is unusable do not match", () => {
  test.each<[string, Uint8Array, string]>([
    ["demands that are not known", multibootElf(multibootHeader(0x13)), "bits 0x10 of its flags"],
    ["load_addr above the header", withAddresses(0x1000, 0x2000, 0, 0, 0x2000), "not in the file"],
    ["load_addr before the file", withAddresses(0x2000, 0x1e00, 0, 0, 0x2000), "not in the file"],
    ["load_end_addr below", withAddresses(0x2000, 0x2000, 0x1000, 0, 0x2000), "is not above"],
    ["load_end_addr too high", withAddresses(0x2000, 0x2000, 0x3f01, 0, 0x2000), "has 8192 bytes"],
    [
      "bss_end_addr below",
      withAddresses(0x2000, 0x2000, 0x3000, 0x2fff, 0x2000),
      "is below the loaded bytes' end",
    ],
    [
      "an entry elsewhere",
      withAddresses(0x2000, 0x2000, 0x3000, 0, 0x3000),
      "0x3000 is outside the loaded bytes",
    ],
  ])("%s", (_, file, why) => {
    expect(whyNot(multibootX86, file)).toContain(why);
  });
});

describe("broken files", () => {
  test.each<[string, Uint8Array, string]>([
    [
      "an ELF file without a part",
      multibootElf(HEADER).with(0x34, 4),
      "nothing to load (no PT_LOAD)",
    ],
  ])("%s", (_, file, words) => {
    const error = refusal(() => multibootX86.parse(file, NO_LOADER));
    expect(error).toBeInstanceOf(ImageError);
    expect(error.message).toContain(words);
  });

  test("what the header may demand: modules at pages, memory, video", () => {
    expect(imageOf(multibootX86, multibootElf(multibootHeader(7))).type).toBe("multiboot-x86");
  });
});

test("what the image says of itself", () => {
  expect(imageOf(multibootX86, ELF)).toMatchObject({
    type: "multiboot-x86",
    options: ["command-line", "append", "reuse-cmdline", "module"],
    commandLineLimit: null,
    takesEfi: false,
    memorySize: BigInt(ELF.length),
    whyNotByFile: "kexec_file_load does not load multiboot images",
    purgatory: { window: { start: 0x3000n, end: 0x100000000n }, order: "first" },
  });
});

/** RAM is at 0x1000, 0x100000 to 0x40000000, and 0x100000000 to 0x140000000, where nothing goes. */
describe("the segments", () => {
  const info = (start: string): string =>
    expect.stringMatching(
      new RegExp(`^multiboot-info ${start}: 0x\\w+ by 0x8 in \\[0x3000, 0x100000000\\) from top$`),
    );
  const limits = "in [0x3000, 0x100000000) from top";

  test.each<[string, Uint8Array, Given, readonly string[]]>([
    ["an ELF file", ELF, {}, ["kernel 0x200000: 0x3000 at 0x200000", info("0x3ffff000")]],
    [
      "an ELF file's parts, and nothing between",
      makeElf({
        bits: 32,
        parts: [
          { physical: 0x200000n, bytes: multibootElf(HEADER).slice(0x54) },
          { physical: 0x300000n, bytes: pattern(0x10) },
        ],
      }),
      {},
      ["kernel 0x200000 0x300000: 0x1000 at 0x200000, 0x1000 at 0x300000", info("0x3ffff000")],
    ],
    [
      "addresses of the header",
      withAddresses(0x400080, 0x400000, 0x401000, 0x405000, 0x400040),
      {},
      ["kernel 0x400000: 0x5000 at 0x400000", info("0x3ffff000")],
    ],
    [
      "addresses without ends: to the file's end, and no bss",
      withAddresses(0x400100, 0x400000, 0, 0, 0x400040),
      {},
      ["kernel 0x400000: 0x2000 at 0x400000", info("0x3ffff000")],
    ],
    [
      "modules: the first in 2 MiB of its own, with a page to spare",
      ELF,
      { modules: MODULES },
      [
        "kernel 0x200000: 0x3000 at 0x200000",
        `module 0x3fe00000: 0x200000 by 0x200000 ${limits}`,
        `module 0x3fdff000: 0x300 by 0x1 ${limits}`,
        info("0x3fdfe000"),
      ],
    ],
    [
      "a first module that fills 2 MiB takes 4",
      ELF,
      { modules: [{ bytes: new Uint8Array(0x200000), commandLine: "a" }] },
      [
        "kernel 0x200000: 0x3000 at 0x200000",
        `module 0x3fc00000: 0x400000 by 0x200000 ${limits}`,
        info("0x3fbff000"),
      ],
    ],
    [
      "a first module that finds no 2 MiB",
      ELF,
      { modules: MODULES, free: [{ start: 0x200000n, end: 0x3ff000n }] },
      [
        "kernel 0x200000: 0x3000 at 0x200000",
        `module nowhere: 0x200000 by 0x200000 ${limits}`,
        `module 0x3f9000: 0x5001 by 0x1 ${limits}`,
        `module 0x3f8000: 0x300 by 0x1 ${limits}`,
        info("0x3f7000"),
      ],
    ],
    [
      "a module without bytes has no memory",
      ELF,
      { modules: [{ bytes: new Uint8Array(0), commandLine: "nothing" }] },
      ["kernel 0x200000: 0x3000 at 0x200000", info("0x3ffff000")],
    ],
  ])("%s", (_, file, given, asked) => {
    expect(draftOf(multibootX86, file, given).asked).toEqual([...asked]);
  });

  test("the first module keeps no more than its own pages", () => {
    const { segments } = draftOf(multibootX86, ELF, { modules: MODULES });
    expect(segments).toContain("module 0x3fe00000: 0x6000, 0x5001 bytes");
  });

  test("addresses of the header say which bytes", () => {
    const file = withAddresses(0x400080, 0x400000, 0x401000, 0x405000, 0x400040);
    file.fill(0x5a, 0x200, 0x1400);
    // The header is at 0x100 of the file and 0x80 of the image.
    expect(bytesAt(draftOf(multibootX86, file), 0x400000n)).toEqual(file.subarray(0x80, 0x1080));
  });
});

describe("after EFI", () => {
  const pageOf = (given: Given) =>
    draftOf(multibootX86, ELF, { facts: { efi: EFI }, ...given }).draft.segments.find(
      ({ role }) => role === "bios-page",
    );

  test("there is a page at 0 as after a BIOS, of which RAM begins behind the vectors", () => {
    const page = pageOf({});
    expect(page).toMatchObject({ start: 0n, size: 0x1000n, ramFrom: 0x400n });
    // Memory below 640 KiB, in KiB. [acpi §5.2.5.1]
    expect(
      new DataView(page?.bytes.slice().buffer ?? new ArrayBuffer(0)).getUint16(0x413, true),
    ).toBe(640);
  });

  test.each<[string, Given]>([
    ["after a BIOS", { facts: {} }],
    ["where something of the running system stays", { ownsMachine: false }],
    ["with --mem-min above it", { request: { memMin: 0x401n } }],
  ])("there is none %s", (_, given) => {
    expect(pageOf(given)).toBeUndefined();
  });
});

describe("the entry", () => {
  test("EAX has the magic, EBX the information", () => {
    expect(draftOf(multibootX86, ELF).draft.entryState).toEqual({
      arch: "x86_64",
      mode: 32,
      rip: 0x200000n,
      rax: 0x2badb002n,
      rbx: 0x3ffff000n,
    });
  });

  test("the header's entry_addr", () => {
    const file = withAddresses(0x400080, 0x400000, 0x401000, 0x405000, 0x400040);
    expect(draftOf(multibootX86, file).draft.entryState).toMatchObject({ rip: 0x400040n });
  });

  test("after EFI it is code behind the information that copies the root pointer", () => {
    const given = { facts: { efi: EFI, acpiRsdp: 0x3eb7e014n } };
    const all = draftOf(multibootX86, ELF, given);
    const { entryState } = all.draft;
    if (entryState.arch !== "x86_64") throw new Error("an entry state of another architecture");
    const code = bytesAt(all, entryState.rip);
    // cld; mov esi, 0x3eb7e014; mov edi, 0x610 [acpi §5.2.5.1: in the first KiB of the EBDA]
    expect([...code.subarray(0, 6)]).toEqual([0xfc, 0xbe, 0x14, 0xe0, 0xb7, 0x3e]);
    expect([...code.subarray(6, 11)]).toEqual([0xbf, 0x10, 0x06, 0, 0]);
    expect(entryState.rip).toBeGreaterThan(entryState.rbx ?? 0n);
    expect(entryState.rbx).toBe(0x3ffff000n);
  });
});

describe("the information", () => {
  const all = draftOf(multibootX86, ELF, { commandLine: "console=com1", modules: MODULES });
  const start = 0x3fdfe000;
  const view = new DataView(bytesAt(all, BigInt(start)).slice().buffer);
  const u32 = (offset: number) => view.getUint32(offset, true);
  const text = (address: number) => textAt(all, BigInt(address));

  test("flags: memory, command line, modules, memory map, name of the loader", () => {
    expect(u32(0)).toBe((1 << 0) | (1 << 2) | (1 << 3) | (1 << 6) | (1 << 9));
  });

  test("mem_lower and mem_upper in KiB: to 640 KiB, and from 1 MiB to 1 GiB", () => {
    expect([u32(4), u32(8)]).toEqual([640, 0x3ff00000 / 1024]);
  });

  test("the command line begins with the image's name", () => {
    expect(text(u32(16))).toBe("/boot/image console=com1");
    expect(all.draft.commandLine).toBe("/boot/image console=com1");
    expect(all.draft.commandLineEnd).toBeUndefined();
  });

  test("mods_count and mods_addr", () => {
    const at = u32(24) - start;
    const rows = [at, at + 16].map((row) => [u32(row), u32(row + 4), text(u32(row + 8))]);
    expect([u32(20), ...rows]).toEqual([
      2,
      [0x3fe00000, 0x3fe05001, "/boot/vmlinuz ro"],
      [0x3fdff000, 0x3fdff300, "/boot/initrd"],
    ]);
  });

  test("mmap_length and mmap_addr: each entry's size does not count itself", () => {
    const at = u32(48) - start;
    const rows = [0, 24, 48].map((row) => [
      u32(at + row),
      view.getBigUint64(at + row + 4, true),
      view.getBigUint64(at + row + 12, true),
      u32(at + row + 20),
    ]);
    expect(u32(44)).toBe(72);
    expect(rows).toEqual([
      [20, 0x400n, 0x9fc00n, 1],
      [20, 0x100000n, 0x3ff00000n, 1],
      [20, 0x100000000n, 0x40000000n, 1],
    ]);
  });
});

test("memory that is in use is refused with what the ELF headers say", () => {
  const free = [{ start: 0x300000n, end: 0x40000000n }];
  const { code, message, hint } = refusal(() => draftOf(multibootX86, ELF, { free }));
  expect([code, message]).toEqual(["plan.not-ram", "Invalid memory segment 0x200000 - 0x202fff"]);
  expect(hint).toContain("[0x200000, 0x203000)");
});
