import { describe, expect, test } from "bun:test";
import {
  framebufferAddress,
  isFramebuffer,
  movedTo,
  ScreenInfo,
  screenAtBoot,
  screenBytes,
  screenOfFramebuffer,
} from "../../../../src/arch/x86-64/handoff/screen-info.ts";
import { hexOf } from "../../../../src/core/bytes.ts";
import type { FramebufferFacts } from "../../../../src/model/display.ts";
import { atBoot, framebuffer } from "./screens.ts";

const EFI = 0x70;
const VLFB = 0x23;

describe("ScreenInfo", () => {
  test("its fields fill 64 bytes side by side", () => {
    const fields = Object.values(ScreenInfo.fields).sort((a, b) => a.offset - b.offset);
    let end = 0;
    for (const { offset, size } of fields) {
      expect(offset).toBe(end);
      end = offset + size;
    }
    expect(end).toBe(64);
  });
});

describe("a framebuffer device's screen", () => {
  const of = (change: Partial<FramebufferFacts> = {}, type = EFI, boot: Uint8Array | null = null) =>
    screenOfFramebuffer({ ...framebuffer, ...change }, type, boot && screenAtBoot(boot));

  test("an EFI frame buffer, written out by hand", () => {
    expect(hexOf(screenBytes(of() ?? {}))).toBe(
      "000000000000" +
        "0050" +
        "00000000" +
        "0000" +
        "1970" + // 25 lines, VIDEO_TYPE_EFI
        "1000" +
        "000400032000" + // 1024x768x32
        "00000080" + // lfb_base
        "00003000" + // lfb_size in bytes
        "00000000" + // cl_magic, cl_offset
        "0010" + // lfb_linelength
        "0810080808000818" + // red, green, blue, reserved: size, position
        "00000000" + // vesapm
        "0100" + // pages
        "0000" +
        "00000000" + // capabilities
        "00000000" + // ext_lfb_base
        "0000",
    );
  });

  test("a VESA frame buffer counts its size in 64 KiB, rounded up", () => {
    expect(of({ smemLen: 0x300001 }, VLFB)).toMatchObject({
      orig_video_isVGA: VLFB,
      lfb_size: 0x31,
    });
  });

  test.each([
    ["EFI", EFI],
    ["VESA", VLFB],
  ])("Linux finds it at least as large as its mode: %s", (_, type) => {
    const screen = of({}, type);
    const size = (screen?.lfb_size ?? 0) * (type === VLFB ? 65536 : 1);
    expect(size).toBeGreaterThanOrEqual(768 * 4096);
  });

  test("above 4 GiB: both halves and the capability", () => {
    expect(of({ smemStart: 0x38_1234_5000n })).toMatchObject({
      lfb_base: 0x12345000,
      ext_lfb_base: 0x38,
      capabilities: 2,
    });
  });

  test("8 bits a pixel have no colour positions", () => {
    const screen = of({ bitsPerPixel: 8 });
    expect(screen).toMatchObject({ lfb_depth: 8, red_size: 0, green_pos: 0, rsvd_pos: 0 });
  });

  test("a frame buffer of more than 256 MiB", () => {
    expect(of({ smemLen: 0xffffffff })).toMatchObject({ lfb_size: 0xffffffff, pages: 1 });
  });

  test("the quirk bit of the same kind of screen is kept, another's is not", () => {
    expect(of({}, EFI, atBoot(EFI))?.capabilities).toBe(1);
    expect(of({}, VLFB, atBoot(EFI))?.capabilities).toBe(0);
  });

  test.each<[string, Partial<FramebufferFacts>]>([
    ["too wide", { xres: 65536 }],
    ["too high", { yres: 65536 }],
    ["lines too long", { lineLength: 65536 }],
    ["too deep", { bitsPerPixel: 65536 }],
  ])("screen_info cannot hold it: %s", (_, change) => {
    expect(of(change)).toBeNull();
  });
});

describe("the screen at boot", () => {
  test("is what it was, without what is stale", () => {
    const expected = atBoot().slice(0, 64);
    expected.fill(0, 0x02, 0x04);
    expected.fill(0, 0x20, 0x24);
    expect(screenBytes(screenAtBoot(atBoot()))).toEqual(expected);
  });

  test("an EFI frame buffer's size in 64 KiB, which Xen and kexec-tools tell, is mended", () => {
    const short = atBoot(EFI, { 28: 0x30, 29: 0, 30: 0, 31: 0 });
    expect(screenAtBoot(short).lfb_size).toBe(768 * 4096);
    expect(screenAtBoot(atBoot(EFI, { 31: 0x01 })).lfb_size).toBe(0x1300000);
    expect(screenAtBoot(atBoot(VLFB)).lfb_size).toBe(0x30);
  });

  test.each([
    ["EFI's", atBoot(EFI), true, 0x80000000n],
    ["VESA's", atBoot(VLFB), true, 0x80000000n],
    ["VGA text", atBoot(1), false, 0n],
    ["no screen", atBoot(0), false, 0n],
    ["one at 0", atBoot(EFI, { 27: 0 }), false, 0n],
    ["one above 4 GiB", atBoot(EFI, { 54: 2, 58: 0x40 }), true, 0x40_8000_0000n],
    ["an upper half, not enabled", atBoot(EFI, { 58: 0x40 }), true, 0x80000000n],
  ])("is a frame buffer or none: %s", (_, bootParams, is, address) => {
    const screen = screenAtBoot(bootParams);
    expect(isFramebuffer(screen)).toBe(is);
    expect(framebufferAddress(screen)).toBe(address);
  });

  test("moved, below and above 4 GiB", () => {
    const screen = screenAtBoot(atBoot());
    for (const address of [0xc000_0000n, 0x40_0000_1000n]) {
      const moved = movedTo(movedTo(screen, 0x1_0000_0000n), address);
      expect(framebufferAddress(moved)).toBe(address);
      expect(moved.capabilities & 1).toBe(1);
      expect({ ...moved, ...{ lfb_base: 0, ext_lfb_base: 0, capabilities: 0 } }).toEqual({
        ...screen,
        ...{ lfb_base: 0, ext_lfb_base: 0, capabilities: 0 },
      });
    }
  });
});
