import { describe, expect, test } from "bun:test";
import { humanSize } from "../../src/core/address.ts";
import { KexecError } from "../../src/core/error.ts";
import { uki as container } from "../../src/image/uki.ts";
import { makeBzImage } from "../images/make-bzimage.ts";
import { makeUki } from "../images/make-uki.ts";
import { orRefusal } from "../kexec-error.ts";
import { NO_LOADER } from "../plan/requests.ts";

const { type: uki, read: readUki } = container;
const isUki = (image: Uint8Array) => container.whyNot(image) === null;

const KERNEL = makeBzImage({ codeSize: 0x200 });
const INITRD = Uint8Array.from({ length: 1001 }, (_, i) => i & 0xff);
const SMALL = makeUki({ ".linux": "kernel", ".initrd": "initrd", ".cmdline": "quiet" });

test("its parts, without the padding of their sections", () => {
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

test("of several profiles the first, and of what it has not, what all share", () => {
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
      "the first of its 2 profiles is taken",
    ],
  });
});

test("device trees to choose from are named, and left out", () => {
  const { deviceTree, notes } = readUki(makeUki({ ".linux": KERNEL, ".dtbauto": "tree" }));
  expect(deviceTree).toBeNull();
  expect(notes[1]).toBe("none of its device trees to choose from (.dtbauto) is passed on");
});

test("microcode comes first, and the initrd at a multiple of four", () => {
  const { initrd } = readUki(makeUki({ ".linux": KERNEL, ".initrd": "abc", ".ucode": "12345" }));
  expect(initrd).toEqual(new TextEncoder().encode("12345\0\0\0abc\0"));
});

test("a kernel alone has no initrd and no command line", () => {
  const parts = readUki(makeUki({ ".linux": KERNEL }));
  expect(parts).toMatchObject({ initrd: null, commandLine: null });
});

test("other files are none, and say why", () => {
  expect(isUki(makeUki({ ".text": "x" }))).toBe(false);
  expect(isUki(KERNEL)).toBe(false);
  expect(uki.parse(KERNEL, NO_LOADER)).toEqual({
    match: false,
    why: "no PE file with a section .linux",
  });
  expect(isUki(SMALL)).toBe(true);
});

test("one inside another is refused", () => {
  expect(() => uki.parse(SMALL, NO_LOADER)).toThrow(
    "a unified kernel image inside another container",
  );
});

/** The parts, or that it was refused; anything else is thrown on. */
function attempt(image: Uint8Array): "none" | "refused" | "read" {
  if (!isUki(image)) return "none";
  const parts = orRefusal(() => readUki(image));
  if (parts instanceof KexecError) return "refused";
  expect(parts.kernel.length + (parts.initrd?.length ?? 0)).toBeLessThanOrEqual(image.length + 8);
  return "read";
}

describe("broken files", () => {
  test("cut at any offset: refused, or no such image", () => {
    // The last section's padding is not needed.
    for (let length = 0; length < SMALL.length - 0x200; length += 1) {
      expect({ length, was: attempt(SMALL.subarray(0, length)) }).not.toMatchObject({
        was: "read",
      });
    }
    expect(attempt(SMALL)).toBe("read");
  });

  test("any header byte changed: read, refused, or no such image, and never more memory", () => {
    for (let at = 0; at < 0x220; at += 1) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const changed = SMALL.slice();
        changed[at] = value;
        expect(["none", "refused", "read"]).toContain(attempt(changed));
      }
    }
  });
});
