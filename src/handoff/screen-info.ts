/**
 * screen_info: what the next kernel's first console may draw on. It does not ask the frame buffer:
 * that is facts' task.
 *
 * [linux include/uapi/linux/screen_info.h]
 */

import { hex } from "../core/address.ts";
import { blob, defineStruct, type StructValue, u8, u16, u32 } from "../core/struct.ts";
import type { FramebufferFacts } from "../model/host-facts.ts";

export const ScreenInfo = defineStruct("screen_info", 64, {
  orig_x: u8(0x00),
  orig_y: u8(0x01),
  /** KiB of memory above 1 MiB, at most 64 MiB: it lies here for history's sake. */
  ext_mem_k: u16(0x02),
  orig_video_page: u16(0x04),
  orig_video_mode: u8(0x06),
  orig_video_cols: u8(0x07),
  flags: u8(0x08),
  unused2: u8(0x09),
  orig_video_ega_bx: u16(0x0a),
  unused3: u16(0x0c),
  orig_video_lines: u8(0x0e),
  /** What kind of screen it is: one of VIDEO_TYPE_*; 0: none, 1: VGA text. */
  orig_video_isVGA: u8(0x0f),
  orig_video_points: u16(0x10),
  lfb_width: u16(0x12),
  lfb_height: u16(0x14),
  lfb_depth: u16(0x16),
  lfb_base: u32(0x18),
  /** Units of 64 KiB for VIDEO_TYPE_VLFB, bytes for every other type. */
  lfb_size: u32(0x1c),
  cl_magic: u16(0x20),
  cl_offset: u16(0x22),
  lfb_linelength: u16(0x24),
  red_size: u8(0x26),
  red_pos: u8(0x27),
  green_size: u8(0x28),
  green_pos: u8(0x29),
  blue_size: u8(0x2a),
  blue_pos: u8(0x2b),
  rsvd_size: u8(0x2c),
  rsvd_pos: u8(0x2d),
  vesapm_seg: u16(0x2e),
  vesapm_off: u16(0x30),
  pages: u16(0x32),
  vesa_attributes: u16(0x34),
  capabilities: u32(0x36),
  /** High half of the frame buffer's address, with VIDEO_CAPABILITY_64BIT_BASE. */
  ext_lfb_base: u32(0x3a),
  reserved: blob(0x3e, 2),
});
export type ScreenInfo = StructValue<typeof ScreenInfo.fields>;

export const VIDEO_TYPE_VLFB = 0x23;
export const VIDEO_TYPE_EFI = 0x70;
export const VIDEO_CAPABILITY_SKIP_QUIRKS = 1 << 0;
export const VIDEO_CAPABILITY_64BIT_BASE = 1 << 1;

export interface ScreenInput {
  readonly framebuffer: FramebufferFacts | null;
  /** The running kernel's, 4096 bytes. */
  readonly bootParams: Uint8Array | null;
  /** `--reuse-video-type` */
  readonly reuseVideoType: boolean;
}

export interface ScreenHandoff {
  /** 64 bytes for the zero page; `ext_mem_k` is 0, `buildBootParams` sets it. */
  readonly bytes: Uint8Array;
  /** What the next kernel is told, and why; one sentence. */
  readonly note: string;
}

/**
 * Drivers that draw on the firmware's frame buffer through fbdev, and what the firmware called it.
 */
const FBDEV_TYPES: ReadonlyMap<string, number> = new Map([
  ["VESA VGA", VIDEO_TYPE_VLFB],
  ["EFI VGA", VIDEO_TYPE_EFI],
]);

/**
 * DRM drivers that draw on the firmware's frame buffer and never change its mode, as fbdev shows
 * their names. They hide its address from fbdev, but what the running kernel was told of it at its
 * boot is still true. kexec-tools takes them for drivers of a graphics card and passes nothing on,
 * so the next kernel's screen stays black; Linux's own loader passes the boot's screen_info on.
 */
const FIRMWARE_DRM = ["simpledrmdrmfb", "efidrmdrmfb", "vesadrmdrmfb"];

/** Text of 80 by 25 characters, each 16 lines high: what a PC shows when nobody sets a mode. */
const TEXT_SCREEN = {
  orig_video_cols: 80,
  orig_video_lines: 25,
  orig_video_isVGA: 1,
  orig_video_points: 16,
} as const;

/**
 * What the next kernel may draw on.
 *
 * A graphics card that a driver has reprogrammed is not passed on (`orig_video_isVGA` 0), because
 * the mode at boot is gone and the next kernel would scribble; `--reuse-video-type` overrides that.
 *
 * @throws KexecError `struct.truncated` for boot_params that are cut short
 */
export function buildScreenInfo(input: ScreenInput): ScreenHandoff {
  const { framebuffer, bootParams } = input;
  if (framebuffer === null) {
    return runningScreen(bootParams, "there is no frame buffer device");
  }
  const name = JSON.stringify(framebuffer.id);
  if (FIRMWARE_DRM.includes(framebuffer.id)) {
    return runningScreen(bootParams, `${name} leaves the firmware's mode as it was`);
  }
  const fbdevType = FBDEV_TYPES.get(framebuffer.id);
  if (fbdevType !== undefined) return framebufferScreen(framebuffer, fbdevType, bootParams);
  if (!input.reuseVideoType) {
    return noScreen(`${name} is not the firmware's frame buffer`);
  }
  if (bootParams === null) {
    return textScreen("--reuse-video-type needs the running kernel's boot_params");
  }
  const reused = ScreenInfo.read(bootParams).orig_video_isVGA;
  return framebufferScreen(framebuffer, reused, bootParams);
}

/** As the running kernel was told. Its command line's address (`cl_magic`, `cl_offset`) is for
 * protocols before 2.02 and would be a stale one. */
function runningScreen(bootParams: Uint8Array | null, why: string): ScreenHandoff {
  if (bootParams === null) {
    return textScreen(`${why}, and the running kernel's boot_params could not be read`);
  }
  const running = ScreenInfo.read(bootParams);
  return {
    bytes: pack({ ...running, ext_mem_k: 0, cl_magic: 0, cl_offset: 0 }),
    note: `Screen: as the running kernel was told at its boot, because ${why}.`,
  };
}

function textScreen(why: string): ScreenHandoff {
  return { bytes: pack(TEXT_SCREEN), note: `Screen: text of 80x25 is assumed, because ${why}.` };
}

function noScreen(why: string): ScreenHandoff {
  return {
    bytes: pack({ ...TEXT_SCREEN, orig_video_isVGA: 0 }),
    note: `Screen: no frame buffer is passed on, because ${why}.`,
  };
}

function framebufferScreen(
  fb: FramebufferFacts,
  type: number,
  bootParams: Uint8Array | null,
): ScreenHandoff {
  const name = JSON.stringify(fb.id);
  if (fb.smemStart === 0n) return noScreen(`${name} hides its frame buffer's address`);
  const mode = `${fb.xres}x${fb.yres}x${fb.bitsPerPixel}`;
  if ([fb.xres, fb.yres, fb.bitsPerPixel, fb.lineLength].some((value) => value > 0xffff)) {
    return noScreen(`${name} has a mode that screen_info cannot hold, ${mode}`);
  }
  const high = fb.smemStart >> 32n;
  return {
    bytes: pack({
      ...TEXT_SCREEN,
      orig_video_isVGA: type,
      lfb_width: fb.xres,
      lfb_height: fb.yres,
      lfb_depth: fb.bitsPerPixel,
      lfb_base: Number(fb.smemStart & 0xffffffffn),
      ext_lfb_base: Number(high),
      lfb_size: framebufferSize(fb.smemLen, type),
      lfb_linelength: fb.lineLength,
      // One image: the one on the screen. Linux only prints this.
      pages: 1,
      capabilities: (high > 0n ? VIDEO_CAPABILITY_64BIT_BASE : 0) | skipQuirks(type, bootParams),
      ...colours(fb),
    }),
    note: `Screen: the frame buffer of ${name}, ${mode} at ${hex(fb.smemStart)}.`,
  };
}

/**
 * kexec-tools gives EFI frame buffers in units of 64 KiB too, and sysfb refuses a frame buffer that
 * it then takes for smaller than its mode. [linux drivers/firmware/sysfb_simplefb.c]
 */
function framebufferSize(bytes: number, type: number): number {
  return type === VIDEO_TYPE_VLFB ? Math.ceil(bytes / 65536) : bytes;
}

/** Tables of quirks for old Macs apply where the boot loader did not set this bit; the screen is
 * still the one that the running kernel's boot loader set it for. */
function skipQuirks(type: number, bootParams: Uint8Array | null): number {
  if (bootParams === null) return 0;
  const running = ScreenInfo.read(bootParams);
  return running.orig_video_isVGA === type
    ? running.capabilities & VIDEO_CAPABILITY_SKIP_QUIRKS
    : 0;
}

/** Up to 8 bits a pixel is an index into a palette and has no positions. */
function colours(fb: FramebufferFacts): Partial<ScreenInfo> {
  if (fb.bitsPerPixel <= 8) return {};
  return {
    red_size: fb.red.length,
    red_pos: fb.red.offset,
    green_size: fb.green.length,
    green_pos: fb.green.offset,
    blue_size: fb.blue.length,
    blue_pos: fb.blue.offset,
    rsvd_size: fb.transp.length,
    rsvd_pos: fb.transp.offset,
  };
}

function pack(screen: Partial<ScreenInfo>): Uint8Array {
  const bytes = new Uint8Array(ScreenInfo.size);
  ScreenInfo.write(bytes, screen);
  return bytes;
}
