import { describe, expect, test } from "bun:test";
import { containerOf } from "../../../../src/arch/index.ts";
import { beoboot } from "../../../../src/arch/x86-64/image/beoboot-x86.ts";
import { humanSize } from "../../../../src/core/address.ts";
import { KexecError } from "../../../../src/core/error.ts";
import { makeBzImage } from "../../../images/make-bzimage.ts";
import { makeBeoboot } from "../../../images/make-nbi.ts";
import { makeUki } from "../../../images/make-uki.ts";
import { orRefusal } from "../../../kexec-error.ts";
import { NO_LOADER } from "../../../plan/requests.ts";

const KERNEL = makeBzImage({ codeSize: 0x200 });
const INITRD = Uint8Array.from({ length: 1001 }, (_, i) => i & 0xff);
const FULL = makeBeoboot({ commandLine: "quiet root=/dev/ram0\0", kernel: KERNEL, initrd: INITRD });

test("its parts", () => {
  expect(containerOf(FULL)).toBe(beoboot);
  expect(beoboot.read(FULL)).toEqual({
    kernel: KERNEL,
    initrd: INITRD,
    commandLine: "quiet root=/dev/ram0",
    deviceTree: null,
    notes: [`beoboot: kernel ${humanSize(KERNEL.length)}, initrd 1001 bytes`],
  });
});

test("a kernel alone has no initrd and no command line", () => {
  const parts = beoboot.read(makeBeoboot({ kernel: KERNEL }));
  const { length } = KERNEL;
  const notes = [`beoboot: kernel ${humanSize(length)}, no initrd`];
  expect(parts).toEqual({
    kernel: KERNEL,
    initrd: null,
    commandLine: null,
    deviceTree: null,
    notes,
  });
});

describe("other files are none", () => {
  test.each<[string, Uint8Array, string]>([
    ["a kernel", KERNEL, 'no "BeoB" at the start'],
    ["half a header", FULL.subarray(0, 15), "too short for a beoboot header"],
    ["Alpha's", makeBeoboot({ kernel: KERNEL, arch: 2 }), "for architecture 2 at offset 4"],
  ])("%s", (_name, bytes, why) => {
    expect(beoboot.type.parse(bytes, NO_LOADER)).toEqual({
      match: false,
      why: expect.stringContaining(why),
    });
  });

  test("a unified kernel image is another container", () => {
    expect(containerOf(makeUki({ ".linux": KERNEL }))?.type.name).toBe("uki");
  });
});

test("one inside another is refused", () => {
  expect(() => beoboot.type.parse(FULL, NO_LOADER)).toThrow(
    "a beoboot image inside another container is not supported",
  );
});

function attempt(image: Uint8Array): "none" | "refused" | "read" {
  if (beoboot.whyNot(image) !== null) return "none";
  const parts = orRefusal(() => beoboot.read(image));
  if (parts instanceof KexecError) return "refused";
  expect(parts.kernel.length + (parts.initrd?.length ?? 0)).toBeLessThanOrEqual(image.length);
  return "read";
}

describe("broken files", () => {
  test("cut at any offset: refused, or no such image", () => {
    for (let length = 0; length < FULL.length; length += 1) {
      expect(attempt(FULL.subarray(0, length))).toBe(length < 16 ? "none" : "refused");
    }
    expect(attempt(FULL)).toBe("read");
  });

  test("any header byte changed: read, refused, or no such image", () => {
    for (let at = 0; at < 16; at += 1) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const changed = FULL.slice();
        changed[at] = value;
        expect(["none", "refused", "read"]).toContain(attempt(changed));
      }
    }
  });
});
