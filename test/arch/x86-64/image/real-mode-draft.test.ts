/** The real-mode entry alone: bzImages with --real-mode, zImages, and kernels before boot protocol
 * 2.02. [x86-boot] "Running the Kernel" */

import { describe, expect, test } from "bun:test";
import { bzImage } from "../../../../src/arch/x86-64/image/bzimage.ts";
import { ImageError } from "../../../../src/core/error.ts";
import { BOOT_PARAMS_SIZE, NO_X86_FACTS } from "../../../../src/model/x86-64.ts";
import {
  bytesAt,
  type Drafted,
  draftOf,
  type Given,
  imageOf,
  textAt,
} from "../../../image/plan-context.ts";
import { type BzImageParts, makeBzImage } from "../../../images/make-bzimage.ts";
import { makeDtb } from "../../../images/make-dtb.ts";
import { refusal } from "../../../kexec-error.ts";
import { pattern } from "../../../plan/pieces.ts";

const INITRD = pattern(5000);
const ZIMAGE: BzImageParts = { version: 0x0202, loadflags: 0, xloadflags: 0, relocatable: 0 };
/** Before cmd_line_ptr, and before the heap's end. */
const OLDEST: BzImageParts = { version: 0x0200, xloadflags: 0, relocatable: 0 };

const drafted = (parts: BzImageParts | Uint8Array, given: Given = {}): Drafted =>
  draftOf(bzImage, parts instanceof Uint8Array ? parts : makeBzImage(parts), given, {
    realMode: true,
  });

describe("what the kernel says of itself", () => {
  test.each<[string, BzImageParts, number]>([
    ["a bzImage", {}, 2046],
    // Before 2.06 the longest has 255 bytes. [x86-boot] 0x238
    ["a zImage", ZIMAGE, 255],
    ["protocol 2.00", OLDEST, 255],
  ])("%s", (_, parts, max) => {
    expect(imageOf(bzImage, makeBzImage(parts), { realMode: true })).toMatchObject({
      type: "bzImage",
      commandLineLimit: { max },
      takesEfi: false,
      memorySize: 0x1400n,
      whyNotByFile: "kexec_file_load enters kernels in 64-bit mode, not in real mode",
      purgatory: { window: { start: 0x3000n, end: 0xa0000n }, order: "last" },
    });
  });

  test.each<[string, Uint8Array, string]>([
    ["33 KiB of real-mode code", makeBzImage({ setupSects: 65 }), "has 0x8400 bytes"],
    ["the last paragraph missing", makeBzImage().subarray(0, 0x13f0), "has 5104 bytes"],
    ["an alignment of 3", makeBzImage({ kernelAlignment: 3 }), "0x3 at 0x230 is not a power"],
  ])("broken: %s", (_, file, words) => {
    const error = refusal(() => imageOf(bzImage, file, { realMode: true }));
    expect(error).toBeInstanceOf(ImageError);
    expect(error.message).toContain(words);
  });

  test("32 KiB of real-mode code are not too much", () => {
    const image = makeBzImage({ setupSects: 63 });
    expect(imageOf(bzImage, image, { realMode: true }).type).toBe("bzImage");
  });
});

/** RAM is at 0x1000, 0x100000 to 0x40000000, and 0x100000000 to 0x140000000. */
describe("the segments", () => {
  test.each<[string, BzImageParts, Given, readonly string[]]>([
    [
      "a bzImage: its real-mode code above 64 KiB",
      {},
      { commandLine: "quiet", initrd: INITRD },
      [
        "kernel 0x3fe00000: 0x100000 by 0x200000 in [0x1000000, 0x100000000) from top",
        "initrd 0x3fffe000: 0x1388 by 0x1 in [0x1000000, 0x80000000) from top",
        // Up to 0xe000 for code, heap and stack, and then the command line.
        "real-mode 0x10000: 0xf000 by 0x10 in [0x10000, 0xa0000) from bottom",
      ],
    ],
    [
      "a bzImage that cannot be moved",
      { version: 0x0204, xloadflags: 0, relocatable: 0 },
      {},
      [
        "kernel 0x100000: 0x1000 at 0x100000",
        "real-mode 0x10000: 0xf000 by 0x10 in [0x10000, 0xa0000) from bottom",
      ],
    ],
    [
      "a zImage: at 64 KiB, its real-mode code at 576 KiB",
      ZIMAGE,
      { commandLine: "quiet" },
      [
        "kernel 0x10000: 0x1000 at 0x10000",
        // Up to 0x9800 for code, heap and stack.
        "real-mode 0x90000: 0xa000 by 0x10 in [0x90000, 0x9a000) from bottom",
      ],
    ],
    [
      "protocol 2.00: at 1 MiB, its real-mode code at 576 KiB",
      OLDEST,
      {},
      [
        "kernel 0x100000: 0x1000 at 0x100000",
        "real-mode 0x90000: 0xa000 by 0x10 in [0x90000, 0x9a000) from bottom",
      ],
    ],
    [
      "a seed of random numbers is in pages of its own",
      {},
      { facts: { rngSeed: new Uint8Array(32) } },
      [
        "kernel 0x3fe00000: 0x100000 by 0x200000 in [0x1000000, 0x100000000) from top",
        "setup-data 0x3ffff000: 0x1000 by 0x10 in [0x100000, 0x100000000) from top",
        "real-mode 0x10000: 0xf000 by 0x10 in [0x10000, 0xa0000) from bottom",
      ],
    ],
    [
      "before 2.09 there is no setup_data, and no seed",
      { version: 0x0208, xloadflags: 0 },
      { facts: { rngSeed: new Uint8Array(32) } },
      [
        "kernel 0x37e00000: 0x1000 by 0x200000 in [0x100000, 0x38000000) from top",
        "real-mode 0x10000: 0xf000 by 0x10 in [0x10000, 0xa0000) from bottom",
      ],
    ],
  ])("%s", (_, parts, given, asked) => {
    expect(drafted(parts, given).asked).toEqual([...asked]);
  });
});

describe("the entry", () => {
  test.each([
    ["a bzImage", {}, 0x1000, 0xe000n],
    ["a zImage", ZIMAGE, 0x9000, 0x9800n],
    ["protocol 2.00", OLDEST, 0x9000, 0x9800n],
  ] as const)("%s: 0x20 paragraphs into the real-mode code", (_, parts, segment, rsp) => {
    expect(drafted(parts).draft.entryState).toEqual({
      arch: "x86_64",
      mode: 16,
      rip: 0n,
      rsp,
      segments: {
        ...{ cs: segment + 0x20, ds: segment, es: segment },
        ...{ ss: segment, fs: segment, gs: segment },
      },
    });
  });
});

describe("the setup header, as the loader leaves it", () => {
  const headerOf = (given: Drafted, start: bigint) => {
    const view = new DataView(bytesAt(given, start).slice().buffer);
    return {
      type_of_loader: view.getUint8(0x210),
      loadflags: view.getUint8(0x211),
      setup_move_size: view.getUint16(0x212, true),
      code32_start: view.getUint32(0x214, true),
      ramdisk: [view.getUint32(0x218, true), view.getUint32(0x21c, true)],
      heap_end_ptr: view.getUint16(0x224, true),
      cmd_line_ptr: view.getUint32(0x228, true),
      old_mark: view.getUint16(0x20, true),
      old_offset: view.getUint16(0x22, true),
    };
  };

  test("a bzImage", () => {
    const all = drafted({}, { commandLine: "quiet", initrd: INITRD });
    expect(headerOf(all, 0x10000n)).toMatchObject({
      type_of_loader: 0xd0,
      // LOADED_HIGH and CAN_USE_HEAP. [x86-boot] 0x211
      loadflags: 0x81,
      code32_start: 0x3fe00000,
      ramdisk: [0x3fffe000, 5000],
      // The heap's end less 0x200. [x86-boot] 0x224
      heap_end_ptr: 0xde00,
      cmd_line_ptr: 0x1e000,
    });
    expect(textAt(all, 0x1e000n)).toBe("quiet");
    expect(all.draft.commandLine).toBe("quiet");
  });

  test("a zImage starts where it says itself", () => {
    const all = drafted(ZIMAGE, { commandLine: "quiet" });
    expect(headerOf(all, 0x90000n)).toMatchObject({
      ...{ loadflags: 0x80, code32_start: 0 },
      ...{ ramdisk: [0, 0], heap_end_ptr: 0x9600, cmd_line_ptr: 0x99800 },
    });
    expect(textAt(all, 0x99800n)).toBe("quiet");
  });

  test("protocol 2.00: the command line is found by a mark, and is moved with the code", () => {
    const all = drafted(OLDEST, { commandLine: "quiet" });
    // [x86-boot] "The Kernel Command Line", protocol 2.01 or older
    expect(headerOf(all, 0x90000n)).toMatchObject({
      ...{ loadflags: 1, heap_end_ptr: 0, cmd_line_ptr: 0 },
      ...{ old_mark: 0xa33f, old_offset: 0x9800, setup_move_size: 0x9806 },
    });
    expect(textAt(all, 0x99800n)).toBe("quiet");
  });

  test("nothing may be appended to the command line: no address of its end is told", () => {
    expect(drafted({}, { commandLine: "quiet" }).draft.commandLineEnd).toBeUndefined();
  });
});

describe("what cannot be drafted", () => {
  const startedByEfi = new Uint8Array(BOOT_PARAMS_SIZE);
  // efi_info's signature. [zero-page] 0x1c0
  startedByEfi.set(Buffer.from("EL64"), 0x1c0);

  test.each<[string, BzImageParts, Given, string, string]>([
    [
      "a crash kernel",
      {},
      { capture: true },
      "image.crash",
      "Can't use bzImage for crash dump purposes with real mode entry",
    ],
    [
      "a machine that EFI started",
      {},
      { facts: { x86_64: { ...NO_X86_FACTS, bootParams: startedByEfi } } },
      "image.real-mode",
      "there is none",
    ],
    [
      "a device tree before protocol 2.09",
      { version: 0x0208 },
      { dtb: makeDtb("a machine") },
      "image.dtb",
      "2.09 is needed",
    ],
    [
      "a zImage that reaches its real-mode code",
      { ...ZIMAGE, codeSize: 0x80010 },
      {},
      "plan.no-room",
      "0xa000 bytes",
    ],
    [
      "a zImage, and 64 KiB in use",
      ZIMAGE,
      { free: [{ start: 0x11000n, end: 0xa0000n }] },
      "plan.no-room",
      "0x1000 bytes",
    ],
  ])("%s", (_, parts, given, code, words) => {
    const error = refusal(() => drafted(parts, given));
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(words)]);
  });
});
