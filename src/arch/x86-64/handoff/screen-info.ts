/**
 * screen_info: the structure that describes the screen for the next kernel's first console.
 * next-screen.ts chooses the screen.
 *
 * [linux include/uapi/linux/screen_info.h]
 */

import { blob, defineStruct, type StructValue, u8, u16, u32 } from "../../../core/struct.ts";
import type { FramebufferFacts } from "../../../model/display.ts";

export const ScreenInfo = defineStruct("screen_info", 64, {
  orig_x: u8(0x00),
  orig_y: u8(0x01),
  /** Memory above 1 MiB, in KiB, at most 64 MiB; it is here for historical reasons. */
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

/** A VGA in text mode, as Linux's own setup code sets it. */
export const VIDEO_TYPE_VGA = 0x01;
/** All types of text screens; the others are MDA, CGA, EGA (mono, colour) and VGA (colour). */
const VIDEO_TYPES_OF_TEXT = [VIDEO_TYPE_VGA, 0x10, 0x11, 0x20, 0x21, 0x22];
export const VIDEO_TYPE_VLFB = 0x23;
export const VIDEO_TYPE_EFI = 0x70;
export const VIDEO_CAPABILITY_SKIP_QUIRKS = 1 << 0;
export const VIDEO_CAPABILITY_64BIT_BASE = 1 << 1;

/** Text of 80 by 25 characters, each 16 lines high: the default mode of a PC. */
export const TEXT_SCREEN = {
  orig_video_cols: 80,
  orig_video_lines: 25,
  orig_video_isVGA: VIDEO_TYPE_VGA,
  orig_video_points: 16,
} as const;

/** The frame buffer's physical address; 0 for a screen without one. */
export function framebufferAddress(screen: ScreenInfo): bigint {
  const hasHigh = (screen.capabilities & VIDEO_CAPABILITY_64BIT_BASE) !== 0;
  return BigInt(screen.lfb_base) | (hasHigh ? BigInt(screen.ext_lfb_base) << 32n : 0n);
}

/** Whether the screen is a linear frame buffer, set up by VESA calls or by EFI. */
export function isFramebuffer(screen: ScreenInfo): boolean {
  const { orig_video_isVGA: type } = screen;
  return (type === VIDEO_TYPE_VLFB || type === VIDEO_TYPE_EFI) && framebufferAddress(screen) > 0n;
}

export const isText = (screen: ScreenInfo): boolean =>
  VIDEO_TYPES_OF_TEXT.includes(screen.orig_video_isVGA);

/** In bytes, whatever the unit of `lfb_size`; what does not fit into the field is left out. */
function framebufferBytes({ orig_video_isVGA, lfb_size }: ScreenInfo): number {
  const bytes = orig_video_isVGA === VIDEO_TYPE_VLFB ? lfb_size * 65536 : lfb_size;
  return Math.min(bytes, 0xffffffff);
}

/** Where the frame buffer of `screen` lies and its size, and no mode; null where it has none.
 * @param address where it was found since */
export function takenMemory(
  screen: ScreenInfo,
  address = framebufferAddress(screen),
): ScreenInfo | null {
  const lfb_size = framebufferBytes(screen);
  if (framebufferAddress(screen) === 0n || lfb_size === 0) return null;
  return movedTo(screenOf({ lfb_size }), address);
}

/** The same screen with its frame buffer at `address`. */
export function movedTo(screen: ScreenInfo, address: bigint): ScreenInfo {
  const high = Number(address >> 32n);
  const others = screen.capabilities & ~VIDEO_CAPABILITY_64BIT_BASE;
  return {
    ...screen,
    lfb_base: Number(address & 0xffffffffn),
    ext_lfb_base: high,
    capabilities: others | (high > 0 ? VIDEO_CAPABILITY_64BIT_BASE : 0),
  };
}

/**
 * The screen from the running kernel's boot_params, corrected for the next kernel. `cl_magic` and
 * `cl_offset` become 0: boot protocols before 2.02 have the command line's address there, which is
 * stale. If `lfb_size` of an EFI frame buffer is too small for its mode, it counts units of 64 KiB,
 * as from Xen to dom0 and from kexec-tools; it becomes the mode's size in bytes, because sysfb
 * refuses it otherwise. [linux arch/x86/xen/vga.c, drivers/firmware/sysfb_simplefb.c]
 *
 * @throws KexecError `struct.truncated` for boot_params that are cut short
 */
export function screenAtBoot(bootParams: Uint8Array): ScreenInfo {
  const found = ScreenInfo.read(bootParams);
  const least = found.lfb_height * found.lfb_linelength;
  const isShort = found.orig_video_isVGA === VIDEO_TYPE_EFI && found.lfb_size < least;
  const lfb_size = isShort ? least : found.lfb_size;
  return { ...found, lfb_size, ext_mem_k: 0, cl_magic: 0, cl_offset: 0 };
}

/** A whole screen_info with these fields; all others are 0. */
export function screenOf(fields: Partial<ScreenInfo>): ScreenInfo {
  return ScreenInfo.read(screenBytes(fields));
}

/** 64 bytes for the zero page; `ext_mem_k` is 0, `buildBootParams` sets it. */
export function screenBytes(screen: Partial<ScreenInfo>): Uint8Array {
  const bytes = new Uint8Array(ScreenInfo.size);
  ScreenInfo.write(bytes, screen);
  return bytes;
}

/** The screen that a framebuffer device shows; null if screen_info cannot hold its mode.
 * @param atBoot the screen from the running kernel's boot_params; null if they could not be read */
export function screenOfFramebuffer(
  fb: FramebufferFacts,
  type: number,
  atBoot: ScreenInfo | null,
): ScreenInfo | null {
  const numbers = [fb.xres, fb.yres, fb.bitsPerPixel, fb.lineLength];
  const places = [fb.red, fb.green, fb.blue, fb.transp].flatMap((c) => [c.offset, c.length]);
  if (numbers.some((value) => value > 0xffff) || places.some((one) => one > 0xff)) return null;
  const screen = screenOf({
    ...TEXT_SCREEN,
    orig_video_isVGA: type,
    lfb_width: fb.xres,
    lfb_height: fb.yres,
    lfb_depth: fb.bitsPerPixel,
    lfb_size: framebufferSize(fb.smemLen, type),
    lfb_linelength: fb.lineLength,
    // One image: the one on the screen. Linux only prints this.
    pages: 1,
    capabilities: skipQuirks(type, atBoot),
    ...colours(fb),
  });
  return movedTo(screen, fb.smemStart);
}

/**
 * `lfb_size`: units of 64 KiB for VIDEO_TYPE_VLFB, else bytes. kexec-tools uses units of 64 KiB for
 * EFI frame buffers too, and sysfb refuses these as smaller than their mode. [linux
 * drivers/firmware/sysfb_simplefb.c]
 */
function framebufferSize(bytes: number, type: number): number {
  return type === VIDEO_TYPE_VLFB ? Math.ceil(bytes / 65536) : bytes;
}

/** VIDEO_CAPABILITY_SKIP_QUIRKS, if it was set at boot for the same video type. Without this bit
 * Linux applies its quirks for old Macs. */
function skipQuirks(type: number, atBoot: ScreenInfo | null): number {
  return atBoot?.orig_video_isVGA === type ? atBoot.capabilities & VIDEO_CAPABILITY_SKIP_QUIRKS : 0;
}

/** The colour fields; none up to 8 bits a pixel, where a pixel is an index into a palette. */
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
