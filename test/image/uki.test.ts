import { describe, expect, test } from "bun:test";
import { humanSize } from "../../src/core/address.ts";
import { KexecError } from "../../src/core/error.ts";
import { uki as container } from "../../src/image/uki.ts";
import { makeBzImage } from "../images/make-bzimage.ts";
import { makeUki } from "../images/make-uki.ts";
import { orRefusal, refusal } from "../kexec-error.ts";
import { NO_LOADER } from "../plan/requests.ts";

const { type: uki, read: readUki } = container;
const isUki = (image: Uint8Array) => container.whyNot(image) === null;

const KERNEL = makeBzImage({ codeSize: 0x200 });
const INITRD = Uint8Array.from({ length: 1001 }, (_, i) => i & 0xff);
const SMALL = makeUki({ ".linux": "kernel", ".initrd": "initrd", ".cmdline": "quiet" });

test("parts are read without the padding of their sections", () => {
  const image = makeUki({
    ".osrel": "ID=debian\n",
    ".cmdline": "root=/dev/vda1 quiet\n\0\0\0",
    ".initrd": INITRD,
    ".linux": KERNEL,
    ".dtb": "tree",
  });
  expect(isUki(image)).toBe(true);
  expect(readUki(image)).toEqual({
    kernel: KERNEL,
    initrd: INITRD,
    commandLine: "root=/dev/vda1 quiet",
    deviceTree: new TextEncoder().encode("tree"),
    notes: [`uki: .linux ${humanSize(KERNEL.length)}, .initrd 1001 bytes, .dtb 4 bytes`],
  });
});

test("the parts are those of the first profile, then those that all profiles share", () => {
  const image = makeUki([
    [".linux", KERNEL],
    [".cmdline", "shared"],
    [".initrd", "shared"],
    [".profile", "ID=main"],
    [".cmdline", "main"],
    [".profile", "ID=rescue"],
    [".cmdline", "rescue"],
    [".dtb", "rescue"],
  ]);
  expect(readUki(image)).toEqual({
    kernel: KERNEL,
    initrd: new TextEncoder().encode("shared"),
    commandLine: "main",
    deviceTree: null,
    notes: [
      `uki: .linux ${humanSize(KERNEL.length)}, .initrd 6 bytes`,
      "the first of its 2 profiles is loaded",
    ],
  });
});

test("a note names .dtbauto device trees, which are left out", () => {
  const { deviceTree, notes } = readUki(makeUki({ ".linux": KERNEL, ".dtbauto": "tree" }));
  expect(deviceTree).toBeNull();
  expect(notes[1]).toBe("its .dtbauto device trees are not passed on");
});

test("microcode comes first, and the initrd at a multiple of four", () => {
  const { initrd } = readUki(makeUki({ ".linux": KERNEL, ".initrd": "abc", ".ucode": "12345" }));
  expect(initrd).toEqual(new TextEncoder().encode("12345\0\0\0abc\0"));
});

test("a kernel alone has no initrd and no command line", () => {
  const parts = readUki(makeUki({ ".linux": KERNEL }));
  expect(parts).toMatchObject({ initrd: null, commandLine: null });
});

test("other files do not match, with the reason", () => {
  expect(isUki(makeUki({ ".text": "x" }))).toBe(false);
  expect(isUki(KERNEL)).toBe(false);
  expect(uki.parse(KERNEL, NO_LOADER)).toEqual({
    match: false,
    why: "not a PE file with a section .linux",
  });
  expect(isUki(SMALL)).toBe(true);
});

test("a unified kernel image inside another is refused", () => {
  expect(() => uki.parse(SMALL, NO_LOADER)).toThrow(
    "a unified kernel image inside another container is not supported",
  );
});

/** The parts, or that the file was refused; all other errors are rethrown. */
function attempt(image: Uint8Array): "none" | "refused" | "read" {
  if (!isUki(image)) return "none";
  const parts = orRefusal(() => readUki(image));
  if (parts instanceof KexecError) return "refused";
  expect(parts.kernel.length + (parts.initrd?.length ?? 0)).toBeLessThanOrEqual(image.length + 8);
  return "read";
}

test("only ASCII blanks at the command line's end are removed: 0xa0 is part of letters", () => {
  const line = (text: string) =>
    readUki(makeUki({ ".linux": KERNEL, ".cmdline": text })).commandLine;
  // "à" in UTF-8.
  expect(line("name=\xc3\xa0")).toBe("name=\xc3\xa0");
  expect(line("a \t\xa0 \t\r\n\v\f\n")).toBe("a \t\xa0");
  expect(line("a\x85")).toBe("a\x85");
  expect(line(" a\0 b")).toBe(" a");
  expect(line(" \n")).toBe("");
});

/** Section headers of `makeUki`. */
const TABLE_AT = 0x80 + 24 + 0xf0;
const VIRTUAL_SIZE = 8;
const RAW_SIZE = 16;
const RAW_AT = 20;

function patched(image: Uint8Array, section: number, field: number, value: number): Uint8Array {
  const copy = image.slice();
  new DataView(copy.buffer).setUint32(TABLE_AT + 40 * section + field, value, true);
  return copy;
}

describe("the error of an incomplete section has its name and sizes", () => {
  const image = makeUki({
    ...{ ".osrel": "ID=x", ".linux": KERNEL, ".initrd": INITRD, ".cmdline": "quiet" },
    ...{ ".ucode": "code", ".dtb": "tree" },
  });
  const NAMES = [".osrel", ".linux", ".initrd", ".cmdline", ".ucode", ".dtb"];
  const why = (file: Uint8Array) => refusal(() => readUki(file)).message;

  test.each(NAMES.map((name, i) => ({ name, i })))("$name, beyond the file", ({ name, i }) => {
    const file = patched(image, i, RAW_AT, 0x100000);
    expect(isUki(file)).toBe(true);
    expect(why(file)).toMatch(
      new RegExp(`^the section \\${name} is 0x[0-9a-f]+ bytes at offset 0x100000, the file has 0x`),
    );
  });

  test.each(NAMES.slice(1).map((name, i) => ({ name, i: i + 1 })))(
    "$name, left out of the file, or cut",
    ({ name, i }) => {
      for (const size of [0, 1]) {
        const file = patched(image, i, RAW_SIZE, size);
        expect(isUki(file)).toBe(true);
        expect(why(file)).toMatch(
          new RegExp(
            `^the section \\${name} has VirtualSize 0x[0-9a-f]+, but SizeOfRawData is only ` +
              `0x${size}, at offset 0x[0-9a-f]+$`,
          ),
        );
      }
    },
  );

  test("sections that are not extracted may have no bytes in the file", () => {
    expect(readUki(patched(image, 0, RAW_SIZE, 0)).kernel).toEqual(KERNEL);
    // Linkers may set VirtualSize to 0: then the size in memory is SizeOfRawData.
    expect(readUki(patched(image, 5, VIRTUAL_SIZE, 0)).deviceTree?.length).toBe(0x200);
  });

  test("an empty kernel section", () => {
    const file = patched(patched(image, 1, VIRTUAL_SIZE, 0), 1, RAW_SIZE, 0);
    expect(why(file)).toBe("the section .linux is empty");
  });

  test("section headers beyond the end of the file: before that of .linux, and after it", () => {
    const before = image.subarray(0, TABLE_AT + 40 + 39);
    const cut =
      "a truncated PE file: its 6 section headers lie at offsets 0x188 to 0x278, the file has";
    expect(container.whyNot(before)).toBe(
      `${cut} 0x1d7 bytes, and no complete header is that of .linux`,
    );
    const behind = image.subarray(0, TABLE_AT + 2 * 40);
    expect(container.whyNot(behind)).toBeNull();
    expect(why(behind)).toBe(`${cut} 0x1d8 bytes`);
  });

  test("a kernel section that only another profile has", () => {
    const file = makeUki([
      [".profile", "ID=main"],
      [".cmdline", "main"],
      [".profile", "ID=rescue"],
      [".linux", KERNEL],
    ]);
    expect(why(file)).toBe("no section .linux in the first profile, only in others");
  });
});

describe("broken files", () => {
  test("truncated at any offset: refused, or no match", () => {
    // The last section's padding is not needed.
    for (let length = 0; length < SMALL.length - 0x200; length += 1) {
      expect({ length, was: attempt(SMALL.subarray(0, length)) }).not.toMatchObject({
        was: "read",
      });
    }
    expect(attempt(SMALL)).toBe("read");
  });

  test("any header byte changed: read, refused, or no match, and never more memory", () => {
    for (let at = 0; at < 0x220; at += 1) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const changed = SMALL.slice();
        changed[at] = value;
        expect(["none", "refused", "read"]).toContain(attempt(changed));
      }
    }
  });
});
