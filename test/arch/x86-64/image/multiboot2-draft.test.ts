/** multiboot2-x86 alone: what has a header, where its tags put it, and what it is told.
 * [multiboot2 §3] */

import { describe, expect, test } from "bun:test";
import { multiboot2X86 } from "../../../../src/arch/x86-64/image/multiboot2-x86.ts";
import { ImageError } from "../../../../src/core/error.ts";
import {
  bytesAt,
  type Drafted,
  draftOf,
  type Given,
  imageOf,
  whyNot,
} from "../../../image/plan-context.ts";
import { makeElf } from "../../../images/make-elf.ts";
import { multiboot2Header, multibootElf } from "../../../images/make-multiboot.ts";
import { refusal } from "../../../kexec-error.ts";
import { pattern } from "../../../plan/pieces.ts";
import { NO_LOADER } from "../../../plan/requests.ts";

type Tag = Parameters<typeof multiboot2Header>[0][number];

const elf = (...tags: Tag[]): Uint8Array => multibootElf(multiboot2Header(tags));
const PLAIN = elf();
/** min_addr, max_addr, align, preference. [multiboot2 §3.1.14] */
const relocatable = (...words: [number, number, number, number]): Tag => [10, 0, ...words];

function at(offset: number, header: Uint8Array): Uint8Array {
  const file = new Uint8Array(0x9000);
  file.set(header, offset);
  return file;
}

/** A header for MIPS with a right checksum. [multiboot2 §3.1.2] */
function forMips(): Uint8Array {
  const header = multiboot2Header([]);
  const view = new DataView(header.buffer);
  view.setUint32(4, 4, true);
  view.setUint32(12, view.getUint32(12, true) - 4, true);
  return header;
}

describe("files of other types", () => {
  test.each<[string, Uint8Array]>([
    ["no header", pattern(0x9000)],
    ["a header that ends behind 32768 bytes", at(32760, multiboot2Header([]))],
    ["a header that is not at a multiple of 8", at(0x104, multiboot2Header([]))],
    ["a wrong checksum", at(0x100, multiboot2Header([]).with(12, 0))],
    ["a header for MIPS", at(0x100, forMips())],
  ])("%s", (_, file) => {
    expect(whyNot(multiboot2X86, file)).toBe("no multiboot2 header in the first 32 KiB");
  });
});

describe("files that are not ELF and have an unusable header do not match", () => {
  const address: Tag = [2, 0, 0x400000, 0x400000, 0x401000, 0x405000];

  test.each<[string, Uint8Array, string]>([
    ["addresses and no entry", at(0, multiboot2Header([address])), "and no entry address tag"],
    ["neither addresses nor ELF", at(0, multiboot2Header([])), "the file is not an ELF executable"],
    [
      "an entry that is not loaded",
      at(0, multiboot2Header([address, [3, 0, 0x401000]])),
      "0x401000 is outside the loaded bytes",
    ],
  ])("%s", (_, file, why) => {
    expect(whyNot(multiboot2X86, file)).toContain(why);
  });
});

describe("broken files", () => {
  test.each<[string, Uint8Array, string]>([
    ["a tag that is not known", elf([77, 0, 1, 2]), "an unknown tag: type 77 at 0x68"],
    ["a tag of 4 bytes", PLAIN.with(0x58 + 16, 4).with(0x58 + 20, 4), "at 0x68 has 4 bytes"],
    [
      "a tag behind the header",
      elf([4, 0, 0]).with(0x6c, 0x80),
      "at 0x68 extends beyond the end of the header",
    ],
    [
      "an alignment of 3",
      elf(relocatable(0, 0xffff, 3, 0)),
      "is invalid: min_addr 0x0, max_addr 0xffff, align 0x3",
    ],
    [
      "max_addr below min_addr",
      elf(relocatable(2, 1, 8, 0)),
      "is invalid: min_addr 0x2, max_addr 0x1, align 0x8",
    ],
  ])("%s", (_, file, words) => {
    const error = refusal(() => multiboot2X86.parse(file, NO_LOADER));
    expect(error).toBeInstanceOf(ImageError);
    expect(error.message).toContain(words);
  });

  test("a tag that is not known and optional is passed over", () => {
    expect(imageOf(multiboot2X86, elf([77, 1, 1, 2])).type).toBe("multiboot2-x86");
  });
});

test("what the image says of itself", () => {
  expect(imageOf(multiboot2X86, PLAIN)).toMatchObject({
    type: "multiboot2-x86",
    options: ["command-line", "append", "reuse-cmdline", "module"],
    commandLineLimit: null,
    takesEfi: false,
    memorySize: BigInt(PLAIN.length),
    whyNotByFile: "kexec_file_load does not load multiboot2 images",
    purgatory: { window: { start: 0x3000n, end: 0x100000000n }, order: "first" },
  });
});

/** RAM is at 0x1000, 0x100000 to 0x40000000, and 0x100000000 to 0x140000000. The image lies at
 * 0x200000 by its ELF headers. */
describe("the image's place", () => {
  test.each<[string, Uint8Array, Given, readonly string[]]>([
    ["its own", PLAIN, {}, ["kernel 0x200000: 0x3000 at 0x200000"]],
    [
      "its own, with 64-bit ELF headers",
      multibootElf(multiboot2Header([]), 64),
      {},
      ["kernel 0x200000: 0x3000 at 0x200000"],
    ],
    [
      "preference 1: the lowest",
      elf(relocatable(0x800000, 0xffffffff, 0x400000, 1)),
      {},
      ["kernel 0x800000: 0x3000 by 0x400000 in [0x800000, 0x100000000) from bottom"],
    ],
    [
      "preference 2: the highest",
      elf(relocatable(0x800000, 0xffffffff, 0x400000, 2)),
      {},
      ["kernel 0x3fc00000: 0x3000 by 0x400000 in [0x800000, 0x100000000) from top"],
    ],
    [
      "max_addr is the last that it may have",
      elf(relocatable(0x800000, 0xffffff, 0x1000, 2)),
      {},
      ["kernel 0xffd000: 0x3000 by 0x1000 in [0x800000, 0x1000000) from top"],
    ],
    [
      "preference 0: its own first",
      elf(relocatable(0x200000, 0x202fff, 0x200000, 0)),
      {},
      ["kernel 0x200000: 0x3000 at 0x200000, guest-owned only"],
    ],
    [
      "preference 0, and its own is in use",
      elf(relocatable(0x100000, 0xffffffff, 0x200000, 0)),
      { free: [{ start: 0x300000n, end: 0x40000000n }] },
      [
        "kernel nowhere: 0x3000 at 0x200000, guest-owned only",
        "kernel 0x400000: 0x3000 by 0x200000 in [0x100000, 0x100000000) from bottom",
      ],
    ],
    [
      "preference 0, and its own is below min_addr",
      elf(relocatable(0x200001, 0xffffffff, 0x1000, 0)),
      {},
      ["kernel 0x201000: 0x3000 by 0x1000 in [0x200001, 0x100000000) from bottom"],
    ],
    [
      "preference 0, and its own reaches beyond max_addr",
      elf(relocatable(0x100000, 0x202ffe, 0x1000, 0)),
      {},
      ["kernel 0x100000: 0x3000 by 0x1000 in [0x100000, 0x202fff) from bottom"],
    ],
    [
      "preference 0, and its own is no multiple of align",
      elf(relocatable(0x100000, 0xffffffff, 0x400000, 0)),
      {},
      ["kernel 0x400000: 0x3000 by 0x400000 in [0x100000, 0x100000000) from bottom"],
    ],
    [
      "an address tag",
      at(
        0x80,
        multiboot2Header([
          [2, 0, 0x400080, 0x400000, 0, 0x40a000],
          [3, 0, 0x400010],
        ]),
      ),
      {},
      ["kernel 0x400000: 0xa000 at 0x400000"],
    ],
  ])("%s", (_, file, given, asked) => {
    expect(draftOf(multiboot2X86, file, given).asked.slice(0, -1)).toEqual([...asked]);
  });
});

/** type, and the words behind the tag's size. */
function tagsOf(all: Drafted, start: bigint): [number, DataView][] {
  const bytes = bytesAt(all, start).slice();
  const view = new DataView(bytes.buffer);
  const tags: [number, DataView][] = [];
  for (let from = 8; from < view.getUint32(0, true); ) {
    const size = view.getUint32(from + 4, true);
    tags.push([view.getUint32(from, true), new DataView(bytes.buffer, from + 8, size - 8)]);
    from += Math.ceil(size / 8) * 8;
  }
  return tags;
}

const textOf = (view: DataView, from = 0): string =>
  Buffer.from(view.buffer, view.byteOffset + from, view.byteLength - from).toString("latin1");

describe("the information", () => {
  const MODULES = [{ bytes: pattern(0x5001), commandLine: "/boot/vmlinuz ro" }];
  const START = 0x3fdff000n;
  const all = draftOf(multiboot2X86, PLAIN, { commandLine: "com1", modules: MODULES });
  const tags = tagsOf(all, START);
  const tag = (type: number): DataView => {
    const found = tags.find(([one]) => one === type)?.[1];
    if (found === undefined) throw new Error(`no tag of type ${type}`);
    return found;
  };

  test("tags: memory, memory map, command line, loader, module, end", () => {
    expect(tags.map(([type]) => type)).toEqual([4, 6, 1, 2, 3, 0]);
  });

  test("is at a multiple of 8 below 4 GiB", () => {
    expect(all.asked.at(-1)).toMatch(
      /^multiboot-info 0x3fdff000: 0x\w+ by 0x8 in \[0x3000, 0x100000000\) from top$/,
    );
  });

  test("memory in KiB: to 640 KiB, and from 1 MiB to 1 GiB", () => {
    const meminfo = tag(4);
    expect([meminfo.getUint32(0, true), meminfo.getUint32(4, true)]).toEqual([640, 1047552]);
  });

  test("the memory map: entries of 24 bytes, version 0", () => {
    const map = tag(6);
    expect([map.byteLength, map.getUint32(0, true), map.getUint32(4, true)]).toEqual([80, 24, 0]);
    const rows = [8, 32, 56].map((row) => [
      map.getBigUint64(row, true),
      map.getBigUint64(row + 8, true),
      map.getUint32(row + 16, true),
    ]);
    expect(rows).toEqual([
      [0x400n, 0x9fc00n, 1],
      [0x100000n, 0x3ff00000n, 1],
      [0x100000000n, 0x40000000n, 1],
    ]);
  });

  test("the command line begins with the image's name", () => {
    expect(textOf(tag(1))).toBe("/boot/image com1\0");
    expect(all.draft.commandLine).toBe("/boot/image com1");
  });

  test("a module's first address, the one behind its last, and its text", () => {
    const module = tag(3);
    expect([module.getUint32(0, true), module.getUint32(4, true)]).toEqual([
      0x3fe00000, 0x3fe05001,
    ]);
    expect(textOf(module, 8)).toBe("/boot/vmlinuz ro\0");
  });

  test("an image that can be moved is told where it lies", () => {
    const moved = draftOf(multiboot2X86, elf(relocatable(0x800000, 0xffffffff, 0x400000, 1)));
    const base = tagsOf(moved, 0x3ffff000n).find(([type]) => type === 21)?.[1];
    expect(base?.getUint32(0, true)).toBe(0x800000);
  });

  test("what it asks for and is not given is said", () => {
    const { notes } = draftOf(multiboot2X86, elf([1, 0, 4, 6, 9, 14])).draft;
    expect(notes.at(-1)).toBe("The image requests multiboot2 tags that are not provided: 9, 14.");
  });
});

describe("the entry", () => {
  test.each<[string, Uint8Array, bigint]>([
    ["of the ELF header", PLAIN, 0x200000n],
    ["of an entry tag", elf([3, 0, 0x200123]), 0x200123n],
    ["moved with the image", elf(relocatable(0x800000, 0xffffffff, 0x400000, 2)), 0x3fc00000n],
  ])("%s: EAX has the magic, EBX the information", (_, file, rip) => {
    expect(draftOf(multiboot2X86, file).draft.entryState).toEqual({
      arch: "x86_64",
      mode: 32,
      rip,
      rax: 0x36d76289n,
      rbx: 0x3ffff000n,
    });
  });

  test("where ACPI's root pointer is known it is code behind the information", () => {
    const all = draftOf(multiboot2X86, PLAIN, { facts: { acpiRsdp: 0xf59d0n } });
    const { entryState } = all.draft;
    if (entryState.arch !== "x86_64") throw new Error("an entry state of another architecture");
    expect(tagsOf(all, 0x3ffff000n).map(([type]) => type)).toEqual([4, 6, 1, 2, 14, 15, 0]);
    // cld; mov esi, 0xf59d0
    expect([...bytesAt(all, entryState.rip).subarray(0, 6)]).toEqual([
      0xfc, 0xbe, 0xd0, 0x59, 0x0f, 0,
    ]);
  });

  test("a root pointer above 4 GiB is out of reach", () => {
    const all = draftOf(multiboot2X86, PLAIN, { facts: { acpiRsdp: 0x100000000n } });
    expect(all.draft.entryState).toMatchObject({ rip: 0x200000n });
    expect(tagsOf(all, 0x3ffff000n).map(([type]) => type)).toEqual([4, 6, 1, 2, 0]);
  });
});

describe("what cannot be drafted", () => {
  const high = multibootElf(multiboot2Header([]), 64).slice(0x78);

  test.each<[string, Uint8Array, Given, string, string]>([
    [
      "its own place in use",
      PLAIN,
      { free: [{ start: 0x300000n, end: 0x40000000n }] },
      "plan.not-ram",
      "Invalid memory segment 0x200000 - 0x202fff",
    ],
    [
      "no room between min_addr and max_addr",
      elf(relocatable(0x800000, 0x800fff, 0x1000, 2)),
      {},
      "plan.no-room",
      "0x3000 bytes",
    ],
    [
      "above 4 GiB, which code of 32 bits does not reach",
      makeElf({ bits: 64, parts: [{ physical: 0x100000000n, bytes: high }] }),
      {},
      "image.multiboot-header",
      "the image lies above 4 GiB",
    ],
  ])("%s", (_, file, given, code, words) => {
    const error = refusal(() => draftOf(multiboot2X86, file, given));
    expect<string[]>([error.code, error.message]).toEqual([code, expect.stringContaining(words)]);
  });
});
