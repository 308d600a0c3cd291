import { describe, expect, test } from "bun:test";
import { hexOf } from "../../src/core/bytes.ts";
import { buildScreenInfo, ScreenInfo } from "../../src/handoff/screen-info.ts";
import type { FramebufferFacts } from "../../src/model/host-facts.ts";

const framebuffer: FramebufferFacts = {
  id: "EFI VGA",
  smemStart: 0x80000000n,
  smemLen: 0x300000,
  lineLength: 4096,
  xres: 1024,
  yres: 768,
  bitsPerPixel: 32,
  red: { offset: 16, length: 8 },
  green: { offset: 8, length: 8 },
  blue: { offset: 0, length: 8 },
  transp: { offset: 24, length: 8 },
};

/** A running kernel's page: 800x600 EFI, with a stale command line and memory size. */
function running(isVGA = 0x70): Uint8Array {
  const bytes = new Uint8Array(4096);
  const set = (at: number, ...values: number[]) => bytes.set(values, at);
  set(0x00, 1, 2, 0xcd, 0xab); // orig_x, orig_y, ext_mem_k
  set(0x0f, isVGA);
  set(0x12, 0x20, 0x03, 0x58, 0x02); // lfb_width, lfb_height
  set(0x20, 0x3f, 0xa3, 0x00, 0x10); // cl_magic, cl_offset
  set(0x36, 0x03); // capabilities: SKIP_QUIRKS, 64BIT_BASE
  set(0x3a, 0x40); // ext_lfb_base
  set(0x40, 0xee); // apm_bios_info, not part of it
  return bytes;
}

const TEXT = "000000000000" + "00" + "50" + "00000000" + "0000" + "19" + "01" + "1000";

const build = (
  fb: FramebufferFacts | null,
  bootParams: Uint8Array | null = null,
  reuseVideoType = false,
) => buildScreenInfo({ framebuffer: fb, bootParams, reuseVideoType });
const read = (handoff: { bytes: Uint8Array }) => ScreenInfo.read(handoff.bytes);

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

describe("buildScreenInfo", () => {
  test("nothing known: text of 80x25", () => {
    const { bytes, note } = build(null);
    expect(hexOf(bytes)).toBe(TEXT.padEnd(128, "0"));
    expect(note).toContain("80x25");
  });

  test("an EFI frame buffer, written out by hand", () => {
    const { bytes, note } = build(framebuffer);
    expect(hexOf(bytes)).toBe(
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
    expect(note).toBe('Screen: the frame buffer of "EFI VGA", 1024x768x32 at 0x80000000.');
  });

  test("a VESA frame buffer counts its size in 64 KiB, rounded up", () => {
    const info = read(build({ ...framebuffer, id: "VESA VGA", smemLen: 0x300001 }));
    expect(info.orig_video_isVGA).toBe(0x23);
    expect(info.lfb_size).toBe(0x31);
  });

  test("Linux finds the frame buffer at least as large as its mode, for both types", () => {
    for (const id of ["EFI VGA", "VESA VGA"]) {
      const info = read(build({ ...framebuffer, id }));
      const size = info.orig_video_isVGA === 0x23 ? info.lfb_size * 65536 : info.lfb_size;
      expect(size).toBeGreaterThanOrEqual(info.lfb_height * info.lfb_linelength);
    }
  });

  test("above 4 GiB: both halves and the capability", () => {
    const info = read(build({ ...framebuffer, smemStart: 0x38_1234_5000n }));
    expect(info).toMatchObject({ lfb_base: 0x12345000, ext_lfb_base: 0x38, capabilities: 2 });
  });

  test("8 bits a pixel have no colour positions", () => {
    const info = read(build({ ...framebuffer, bitsPerPixel: 8 }));
    expect(info).toMatchObject({ lfb_depth: 8, red_size: 0, green_pos: 0, rsvd_pos: 0 });
  });

  test("a frame buffer of more than 256 MiB", () => {
    const info = read(build({ ...framebuffer, smemLen: 0xffffffff }));
    expect(info).toMatchObject({ lfb_size: 0xffffffff, pages: 1 });
  });

  test("the quirk bit of the same screen is kept, another screen's is not", () => {
    expect(read(build(framebuffer, running())).capabilities).toBe(1);
    expect(read(build({ ...framebuffer, id: "VESA VGA" }, running())).capabilities).toBe(0);
  });

  test("no frame buffer device: the running kernel's, without what is stale", () => {
    const { bytes, note } = build(null, running());
    const expected = running().slice(0, 64);
    expected.fill(0, 0x02, 0x04);
    expected.fill(0, 0x20, 0x24);
    expect(bytes).toEqual(expected);
    expect(note).toContain("no frame buffer device");
  });

  test.each(["simpledrmdrmfb", "efidrmdrmfb", "vesadrmdrmfb"])(
    "%s leaves the firmware's mode, so the running kernel's is passed on",
    (id) => {
      const fb = { ...framebuffer, id, smemStart: 0n };
      expect(build(fb, running()).bytes).toEqual(build(null, running()).bytes);
      expect(hexOf(build(fb).bytes)).toBe(TEXT.padEnd(128, "0"));
    },
  );

  test.each(["i915drmfb", "EFI VG", "EFI VGA ", ""])("%p is no frame buffer to pass on", (id) => {
    const { bytes, note } = build({ ...framebuffer, id }, running());
    const info = ScreenInfo.read(bytes);
    expect(info).toMatchObject({ orig_video_isVGA: 0, lfb_base: 0, orig_video_cols: 80 });
    expect(note).toContain(JSON.stringify(id));
  });

  test("--reuse-video-type takes only the type from the running kernel", () => {
    const info = read(build({ ...framebuffer, id: "i915drmfb" }, running(0x23), true));
    expect(info).toMatchObject({
      orig_video_isVGA: 0x23,
      orig_x: 0,
      lfb_width: 1024,
      lfb_base: 0x80000000,
      lfb_size: 0x30,
    });
  });

  test("--reuse-video-type without boot_params: text", () => {
    const { bytes, note } = build({ ...framebuffer, id: "i915drmfb" }, null, true);
    expect(hexOf(bytes)).toBe(TEXT.padEnd(128, "0"));
    expect(note).toContain("--reuse-video-type");
  });

  test.each<[string, Partial<FramebufferFacts>]>([
    ["a hidden address", { smemStart: 0n }],
    ["too wide", { xres: 65536 }],
    ["too high", { yres: 65536 }],
    ["lines too long", { lineLength: 65536 }],
    ["too deep", { bitsPerPixel: 65536 }],
  ])("not passed on: %s", (_, change) => {
    const info = read(build({ ...framebuffer, ...change }));
    expect(info).toMatchObject({ orig_video_isVGA: 0, lfb_base: 0, lfb_width: 0 });
  });
});
