/** bzImage64 alone: what it takes for its own, and what it drafts. [x86-boot] "64-bit Boot
 * Protocol" */

import { describe, expect, test } from "bun:test";
import { bzImage64 } from "../../../../src/arch/x86-64/image/bzimage64.ts";
import { ADDRESS_END } from "../../../../src/core/address.ts";
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

/** A kernel with a byte changed: its offset and its new value. */
function changed(at: number, value: number): Uint8Array {
  const image = makeBzImage();
  image[at] = value;
  return image;
}

describe("files of other types", () => {
  test.each<[string, Uint8Array, string]>([
    ["less than a boot sector", makeBzImage().subarray(0, 1023), "1023 bytes are too few"],
    ["no HdrS", changed(0x202, 0), 'no "HdrS" at offset 0x202'],
    ["no boot flag", changed(0x1fe, 0), "no 0xaa55 at offset 0x1fe"],
    ["protocol 2.11", makeBzImage({ version: 0x020b }), "2.11 at offset 0x206, 2.12 or newer"],
    ["a 32-bit kernel", makeBzImage({ xloadflags: 0x3e }), "XLF_KERNEL_64 is not set at 0x236"],
    ["a zImage", makeBzImage({ loadflags: 0 }), "LOADED_HIGH is not set at 0x211"],
    ["not above 4 GiB", makeBzImage({ xloadflags: 0x3d }), "CAN_BE_LOADED_ABOVE_4G is not set"],
    ["not relocatable", makeBzImage({ relocatable: 0 }), "0x234"],
    ["no init_size", makeBzImage({ initSize: 0 }), "0x260"],
  ])("%s", (_, file, why) => {
    expect(whyNot(bzImage64, file)).toContain(why);
  });
});

describe("broken kernels", () => {
  test.each<[string, BzImageParts | Uint8Array, string]>([
    ["an alignment of 3 MiB", { kernelAlignment: 0x300000 }, "0x300000 at 0x230 is not a power"],
    ["the last paragraph missing", makeBzImage().subarray(0, 0x13f0), "has 5104 bytes"],
    ["a header that ends before cmd_line_ptr does", changed(0x201, 0x29), "must reach 0x22c"],
  ])("%s", (_, parts, words) => {
    const file = parts instanceof Uint8Array ? parts : makeBzImage(parts);
    const error = refusal(() => bzImage64.parse(file, NO_LOADER));
    expect(error).toBeInstanceOf(ImageError);
    expect(error.message).toContain(words);
  });
});

describe("what the kernel says of itself", () => {
  test("a kernel that can do all", () => {
    expect(imageOf(bzImage64, makeBzImage())).toMatchObject({
      type: "bzImage64",
      // cmdline_size is 2047, of which Linux' own loader keeps one for the NUL.
      commandLineLimit: { max: 2046 },
      takesEfi: true,
      // init_size. [x86-boot] 0x260
      memorySize: 0x100000n,
      whyNotByFile: null,
      purgatory: { window: { start: 0x3000n, end: ADDRESS_END }, order: "first" },
    });
  });

  test("EFI needs XLF_EFI_KEXEC, bit 4 at 0x236", () => {
    expect(imageOf(bzImage64, makeBzImage({ xloadflags: 0x2f })).takesEfi).toBe(false);
  });

  test("with --dtb only kexec_load will do", () => {
    expect(imageOf(bzImage64, makeBzImage(), { dtb: "tree" }).whyNotByFile).toContain(
      "does not pass a device tree",
    );
  });

  test.each([
    ["--real-mode", { realMode: true }, { start: 0x3000n, end: 0xa0000n }],
    ["--entry-32bit", { entry32Bit: true }, { start: 0x3000n, end: 0x100000000n }],
  ])("%s makes it an image of type bzImage", (_, loader, window) => {
    const { type, purgatory } = imageOf(bzImage64, makeBzImage(), loader);
    expect([type, purgatory.window]).toEqual(["bzImage", window]);
  });
});

/** RAM is at 0x1000, 0x100000 to 0x40000000, and 0x100000000 to 0x140000000. */
describe("the segments", () => {
  test.each<[string, BzImageParts, Given, readonly string[]]>([
    [
      "above 4 GiB",
      {},
      { commandLine: "quiet", initrd: INITRD },
      [
        "kernel 0x13fe00000: 0x100000 by 0x200000 in [0x1000000, 2^64) from top",
        "initrd 0x13fffe000: 0x1388 by 0x1 in [0x1000000, 2^64) from top",
        "boot-params 0x13fffc000: 0x1010 by 0x10 in [0x3000, 2^64) from top",
      ],
    ],
    [
      "no less memory than init_size, and no less than the file has",
      { initSize: 0x100, codeSize: 0x2010, kernelAlignment: 0x1000, prefAddress: 0n },
      {},
      [
        // min_alignment is 21: 2 MiB. [x86-boot] 0x235
        "kernel 0x13fe00000: 0x3000 by 0x200000 in [0x100000, 2^64) from top",
        "boot-params 0x13fffe000: 0x1010 by 0x10 in [0x3000, 2^64) from top",
      ],
    ],
    [
      "not below pref_address",
      { prefAddress: 0x120000000n },
      { free: [{ start: 0x100000n, end: 0x120200000n }] },
      [
        "kernel 0x120000000: 0x100000 by 0x200000 in [0x120000000, 2^64) from top",
        "boot-params 0x1201fe000: 0x1010 by 0x10 in [0x3000, 2^64) from top",
      ],
    ],
    [
      "an empty initrd is none",
      {},
      { initrd: new Uint8Array(0) },
      [
        "kernel 0x13fe00000: 0x100000 by 0x200000 in [0x1000000, 2^64) from top",
        "boot-params 0x13fffe000: 0x1010 by 0x10 in [0x3000, 2^64) from top",
      ],
    ],
    [
      "room behind the command line",
      {},
      { commandLine: "quiet", room: 48 },
      [
        "kernel 0x13fe00000: 0x100000 by 0x200000 in [0x1000000, 2^64) from top",
        // 4096 bytes, "quiet", its NUL and the 48, up to a multiple of 16.
        "boot-params 0x13fffe000: 0x1040 by 0x10 in [0x3000, 2^64) from top",
      ],
    ],
    [
      "a seed of random numbers in setup_data: 16 bytes of head and 32",
      {},
      { facts: { rngSeed: new Uint8Array(32).fill(7) } },
      [
        "kernel 0x13fe00000: 0x100000 by 0x200000 in [0x1000000, 2^64) from top",
        "boot-params 0x13fffe000: 0x1040 by 0x10 in [0x3000, 2^64) from top",
      ],
    ],
  ])("%s", (_, parts, given, asked) => {
    expect(draftOf(bzImage64, makeBzImage(parts), given).asked).toEqual([...asked]);
  });

  test("have the file's code, the initrd, and zeros to the end of their memory", () => {
    const image = makeBzImage({ setupSects: 0 });
    const { draft, segments } = draftOf(bzImage64, image, { initrd: INITRD });
    expect(segments).toEqual([
      "kernel 0x13fe00000: 0x100000, 0x1000 bytes",
      "initrd 0x13fffe000: 0x2000, 0x1388 bytes",
      "boot-params 0x13fffc000: 0x2000, 0x1010 bytes",
    ]);
    // setup_sects 0 means 4, and the boot sector comes on top. [x86-boot] 0x1f1
    expect(draft.segments[0]?.bytes).toEqual(image.subarray(5 * 512));
    expect(draft.segments[1]?.bytes).toEqual(INITRD);
  });
});

describe("the entry", () => {
  const drafted = draftOf(bzImage64, makeBzImage(), { commandLine: "quiet", initrd: INITRD });
  const params = 0x13fffc000n;

  test("is 0x200 into the kernel, RSI has the zero page", () => {
    expect(drafted.draft.entryState).toEqual({
      arch: "x86_64",
      mode: 64,
      rip: 0x13fe00200n,
      rsi: params,
    });
  });

  test("the zero page has the setup header, and says where command line and initrd are", () => {
    const view = new DataView(bytesAt(drafted, params).slice().buffer);
    const u32 = (at: number) => view.getUint32(at, true);
    expect(u32(0x202)).toBe(0x53726448);
    // type_of_loader: kexec's. [x86-boot] 0x210
    expect(view.getUint8(0x210)).toBe(0xd0);
    // ramdisk_image, ramdisk_size, cmd_line_ptr, and their upper halves. [zero-page] 0x0c0 to 0x0c8
    expect([u32(0x218), u32(0x0c0)]).toEqual([0x3fffe000, 1]);
    expect([u32(0x21c), u32(0x0c4)]).toEqual([5000, 0]);
    expect([u32(0x228), u32(0x0c8)]).toEqual([0x3fffd000, 1]);
    // e820_entries. [zero-page] 0x1e8
    expect(view.getUint8(0x1e8)).toBe(3);
  });

  test("the command line is behind the zero page, and its end is told", () => {
    expect(drafted.draft.commandLine).toBe("quiet");
    expect(textAt(drafted, params + 0x1000n)).toBe("quiet");
    expect(drafted.draft.commandLineEnd).toBe(params + 0x1005n);
  });

  test("without a command line there is an empty one", () => {
    const { draft } = draftOf(bzImage64, makeBzImage());
    expect([draft.commandLine, draft.commandLineEnd]).toEqual(["", 0x13ffff000n]);
  });
});

describe("what cannot be drafted", () => {
  test.each<[string, BzImageParts, Given, string]>([
    [
      "no room for init_size",
      { initSize: 0x10000000 },
      { free: [{ start: 0x1000000n, end: 0x10000000n }] },
      "Cannot place the kernel",
    ],
    [
      "nothing left for the zero page",
      { kernelAlignment: 0x1000 },
      { free: [{ start: 0x1000000n, end: 0x1100000n }] },
      "Cannot place the boot-params",
    ],
  ])("%s", (_, parts, given, words) => {
    const error = refusal(() => draftOf(bzImage64, makeBzImage(parts), given));
    expect([error.code, error.hint]).toEqual(["plan.no-room", expect.stringContaining(words)]);
  });

  test("a device tree that is none", () => {
    const dtb = makeDtb("a machine").subarray(4);
    const error = refusal(() => draftOf(bzImage64, makeBzImage(), { dtb }));
    expect(error.message).toContain("0xd00dfeed");
  });
});
