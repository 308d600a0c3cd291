/**
 * screen_info: what the next kernel's first console may draw on.
 *
 * [linux include/uapi/linux/screen_info.h]
 */

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

/** 64 bytes for the zero page, and one sentence on where they come from. */
export function buildScreenInfo(input: ScreenInput): {
  readonly bytes: Uint8Array;
  readonly note: string;
} {
  void input;
  throw new RangeError("being written");
}
