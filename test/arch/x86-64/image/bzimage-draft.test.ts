/** bzImage alone: what it takes for its own, and what it drafts for the 32-bit entry. [x86-boot]
 * "32-bit Boot Protocol" */

import { describe, expect, test } from "bun:test";
import { bzImage } from "../../../../src/arch/x86-64/image/bzimage.ts";
import { ImageError } from "../../../../src/core/error.ts";
import {
  bytesAt,
  draftOf,
  type Given,
  imageOf,
  textAt,
  whyNot,
} from "../../../image/plan-context.ts";
import { type BzImageParts, makeBzImage } from "../../../images/make-bzimage.ts";
import { makeDtb } from "../../../images/make-dtb.ts";
import { refusal } from "../../../kexec-error.ts";
import { pattern } from "../../../plan/pieces.ts";
import { NO_LOADER } from "../../../plan/requests.ts";

const INITRD = pattern(5000);
/** A 32-bit kernel of protocol 2.10. */
const OF_32_BITS: BzImageParts = { version: 0x020a, xloadflags: 0, initrdAddrMax: 0x37ffffff };
/** One from before relocatable kernels, and so from before init_size. */
const FIXED: BzImageParts = { version: 0x0204, xloadflags: 0, relocatable: 0 };

function changed(at: number, value: number): Uint8Array {
  const image = makeBzImage();
  image[at] = value;
  return image;
}

describe("files of other types", () => {
  test.each<[string, Uint8Array, string]>([
    ["less than a boot sector", new Uint8Array(1023), "1023 bytes are too few"],
    ["no HdrS", changed(0x205, 0), 'no "HdrS" at offset 0x202'],
    ["no boot flag", changed(0x1ff, 0), "no 0xaa55 at offset 0x1fe"],
    ["protocol 1.15", makeBzImage({ version: 0x010f }), "1.15 at offset 0x206, 2.00 or newer"],
    ["a zImage that can be moved", makeBzImage({ loadflags: 0 }), "LOADED_HIGH is not set at"],
  ])("%s", (_, file, why) => {
    expect(whyNot(bzImage, file)).toContain(why);
  });
});

describe("broken kernels", () => {
  test.each<[string, Uint8Array, string]>([
    ["no alignment", makeBzImage({ kernelAlignment: 0 }), "0x0 at 0x230 is not a power of two"],
    ["the last paragraph missing", makeBzImage().subarray(0, 0x13f0), "has 5104 bytes"],
    ["a header that ends before cmd_line_ptr does", changed(0x201, 0x29), "must reach 0x22c"],
  ])("%s", (_, file, words) => {
    const error = refusal(() => bzImage.parse(file, NO_LOADER));
    expect(error).toBeInstanceOf(ImageError);
    expect(error.message).toContain(words);
  });

  test("an alignment without meaning, as nothing is moved, is none", () => {
    const image = imageOf(bzImage, makeBzImage({ ...FIXED, kernelAlignment: 3 }));
    expect(image.type).toBe("bzImage");
  });

  test("syssize has 16 bits before protocol 2.04", () => {
    const image = makeBzImage({ version: 0x0203, xloadflags: 0, relocatable: 0 });
    // The upper half of syssize, which is another field then. [x86-boot] 0x1f4
    image[0x1f6] = 0xff;
    expect(imageOf(bzImage, image).type).toBe("bzImage");
    image[0x206] = 4;
    expect(refusal(() => imageOf(bzImage, image)).code).toBe("image.truncated");
  });
});

describe("what the kernel says of itself", () => {
  test.each<[string, BzImageParts, object]>([
    ["of 64 bits", {}, { commandLineLimit: { max: 2046 }, takesEfi: true, whyNotByFile: null }],
    [
      "of 32 bits and protocol 2.10",
      OF_32_BITS,
      {
        commandLineLimit: { max: 2046 },
        takesEfi: false,
        whyNotByFile: expect.stringContaining("boot protocol 2.10 at offset 0x206"),
      },
    ],
    // Before 2.06 the longest has 255 bytes. [x86-boot] 0x238
    ["of protocol 2.05", { version: 0x0205, xloadflags: 0 }, { commandLineLimit: { max: 255 } }],
  ])("%s", (_, parts, wanted) => {
    const image = imageOf(bzImage, makeBzImage(parts));
    expect(image).toMatchObject({
      type: "bzImage",
      // A sector of 512 bytes twice, and 0x1000 bytes.
      memorySize: 0x1400n,
      purgatory: { window: { start: 0x3000n, end: 0x100000000n }, order: "first" },
      ...wanted,
    });
  });

  test.each([
    [{ entry32Bit: true }, "not at the 32-bit entry"],
    [{ dtb: "tree" }, "does not pass a device tree"],
  ])("with %j only kexec_load will do", (loader, why) => {
    expect(imageOf(bzImage, makeBzImage(), loader).whyNotByFile).toContain(why);
  });

  test.each([
    ["--real-mode", {}, { realMode: true }],
    ["protocol 2.01", { version: 0x0201 }, {}],
    ["a zImage", { loadflags: 0, relocatable: 0 }, {}],
  ])("is entered in real mode: %s", (_, parts, loader) => {
    const { purgatory } = imageOf(bzImage, makeBzImage(parts), loader);
    const window = { start: 0x3000n, end: 0xa0000n };
    expect(purgatory).toEqual({
      ...{ window, maxFrom: "640 KiB, where low memory ends", order: "last" },
    });
  });
});

/** RAM is at 0x1000, 0x100000 to 0x40000000, and 0x100000000 to 0x140000000. */
describe("the segments", () => {
  test.each<[string, BzImageParts, Given, readonly string[]]>([
    [
      "a 64-bit kernel maps 4 GiB",
      {},
      { commandLine: "quiet", initrd: INITRD },
      [
        "kernel 0x3fe00000: 0x100000 by 0x200000 in [0x1000000, 0x100000000) from top",
        "initrd 0x3fffe000: 0x1388 by 0x1 in [0x1000000, 0x80000000) from top",
        "boot-params 0x3fffc000: 0x1010 by 0x10 in [0x3000, 0x100000000) from top",
      ],
    ],
    [
      "a 32-bit kernel maps 896 MiB",
      OF_32_BITS,
      { initrd: INITRD },
      [
        "kernel 0x37e00000: 0x100000 by 0x200000 in [0x1000000, 0x38000000) from top",
        "initrd 0x37ffe000: 0x1388 by 0x1 in [0x1000000, 0x38000000) from top",
        "boot-params 0x3fffe000: 0x1010 by 0x10 in [0x3000, 0x100000000) from top",
      ],
    ],
    [
      "before 2.10 nobody knows what it overwrites above it: the zero page lies below 640 KiB",
      { version: 0x0209, xloadflags: 0, initrdAddrMax: 0x37ffffff },
      { initrd: INITRD },
      [
        "kernel 0x37e00000: 0x1000 by 0x200000 in [0x100000, 0x38000000) from top",
        "initrd 0x37ffe000: 0x1388 by 0x1 in [0x1000000, 0x38000000) from top",
        "boot-params 0x9e000: 0x1010 by 0x10 in [0x3000, 0xa0000) from top",
      ],
    ],
    [
      "a crash kernel has no such memory: the zero page stays in the region",
      { version: 0x0209, xloadflags: 0 },
      { capture: true, free: [{ start: 0x10000000n, end: 0x20000000n }] },
      [
        "kernel 0x1fe00000: 0x1000 by 0x200000 in [0x100000, 0x38000000) from top",
        "boot-params 0x1fffe000: 0x1010 by 0x10 in [0x3000, 0x100000000) from top",
      ],
    ],
    [
      "a kernel that cannot be moved runs at 1 MiB",
      FIXED,
      { initrd: INITRD },
      [
        "kernel 0x100000: 0x1000 at 0x100000",
        "initrd 0x3fffe000: 0x1388 by 0x1 in [0x1000000, 0x80000000) from top",
        "boot-params 0x9e000: 0x1010 by 0x10 in [0x3000, 0xa0000) from top",
      ],
    ],
    [
      "with init_size there",
      { relocatable: 0 },
      {},
      [
        "kernel 0x100000 0x1000000: 0x1000 at 0x100000, 0x100000 at 0x1000000",
        "boot-params 0x3fffe000: 0x1010 by 0x10 in [0x3000, 0x100000000) from top",
      ],
    ],
    [
      "before 2.03 the initrd lies below 896 MiB, whatever is where initrd_addr_max will be",
      { ...FIXED, version: 0x0202, initrdAddrMax: 0xfffffff },
      { initrd: INITRD },
      [
        "kernel 0x100000: 0x1000 at 0x100000",
        "initrd 0x37ffe000: 0x1388 by 0x1 in [0x1000000, 0x38000000) from top",
        "boot-params 0x9e000: 0x1010 by 0x10 in [0x3000, 0xa0000) from top",
      ],
    ],
    [
      "a device tree is in setup_data",
      {},
      { dtb: makeDtb("a machine") },
      [
        "kernel 0x3fe00000: 0x100000 by 0x200000 in [0x1000000, 0x100000000) from top",
        // A page, 16 for the command line, a head of 16, and the tree's 102 up to a multiple of 16.
        "boot-params 0x3fffe000: 0x1090 by 0x10 in [0x3000, 0x100000000) from top",
      ],
    ],
  ])("%s", (_, parts, given, asked) => {
    expect(draftOf(bzImage, makeBzImage(parts), given).asked).toEqual([...asked]);
  });
});

describe("the entry", () => {
  const image = makeBzImage({ setupSects: 3 });
  const drafted = draftOf(bzImage, image, { commandLine: "quiet", initrd: INITRD });
  const params = 0x3fffc000n;

  test("is the kernel's first byte, ESI has the zero page", () => {
    expect(drafted.draft.entryState).toEqual({
      arch: "x86_64",
      mode: 32,
      rip: 0x3fe00000n,
      rsi: params,
    });
    expect(bytesAt(drafted, 0x3fe00000n)).toEqual(image.subarray(4 * 512));
  });

  test("the zero page says where command line and initrd are, below 4 GiB", () => {
    const view = new DataView(bytesAt(drafted, params).slice().buffer);
    const words = [0x218, 0x0c0, 0x21c, 0x228, 0x0c8].map((at) => view.getUint32(at, true));
    expect(words).toEqual([0x3fffe000, 0, 5000, 0x3fffd000, 0]);
    expect(textAt(drafted, 0x3fffd000n)).toBe("quiet");
    expect(drafted.draft.commandLineEnd).toBe(0x3fffd005n);
  });
});

describe("what cannot be drafted", () => {
  test.each<[string, BzImageParts, Given, string, string]>([
    [
      "a crash kernel that cannot be moved",
      FIXED,
      { capture: true },
      "image.crash",
      "Can't be used as capture kernel.",
    ],
    [
      "a device tree before protocol 2.09",
      { version: 0x0208, xloadflags: 0 },
      { dtb: makeDtb("a machine") },
      "image.dtb",
      "boot protocol 2.08, but 2.09 is needed",
    ],
    [
      "1 MiB that is in use",
      FIXED,
      { free: [{ start: 0x200000n, end: 0x40000000n }] },
      "plan.no-room",
      "0x1000 bytes",
    ],
  ])("%s", (_, parts, given, code, words) => {
    const error = refusal(() => draftOf(bzImage, makeBzImage(parts), given));
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(words)]);
  });
});
