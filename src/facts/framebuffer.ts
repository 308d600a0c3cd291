/**
 * What the two ioctls of a framebuffer device return, on 64-bit machines.
 * [linux include/uapi/linux/fb.h]
 */

import { textUntilNul } from "../core/bytes.ts";
import { blob, defineStruct, u32, u64 } from "../core/struct.ts";
import type { FramebufferFacts } from "../model/display.ts";

export const FBIOGET_VSCREENINFO = 0x4600;
export const FBIOGET_FSCREENINFO = 0x4602;

/** struct fb_fix_screeninfo, without the fields that are not used here. */
export const FbFixScreeninfo = defineStruct("fb_fix_screeninfo", 80, {
  id: blob(0, 16),
  smem_start: u64(16),
  smem_len: u32(24),
  line_length: u32(48),
});

/** struct fb_var_screeninfo, likewise. Each colour is a struct fb_bitfield. */
export const FbVarScreeninfo = defineStruct("fb_var_screeninfo", 160, {
  xres: u32(0),
  yres: u32(4),
  bits_per_pixel: u32(24),
  red_offset: u32(32),
  red_length: u32(36),
  green_offset: u32(44),
  green_length: u32(48),
  blue_offset: u32(56),
  blue_length: u32(60),
  transp_offset: u32(68),
  transp_length: u32(72),
});

/** The facts of a framebuffer from the answers to both ioctls.
 * @throws KexecError `struct.truncated` */
export function parseFramebuffer(fixBytes: Uint8Array, varBytes: Uint8Array): FramebufferFacts {
  const fix = FbFixScreeninfo.read(fixBytes);
  const mode = FbVarScreeninfo.read(varBytes);
  return {
    id: textUntilNul(fix.id),
    smemStart: fix.smem_start,
    smemLen: fix.smem_len,
    lineLength: fix.line_length,
    xres: mode.xres,
    yres: mode.yres,
    bitsPerPixel: mode.bits_per_pixel,
    red: { offset: mode.red_offset, length: mode.red_length },
    green: { offset: mode.green_offset, length: mode.green_length },
    blue: { offset: mode.blue_offset, length: mode.blue_length },
    transp: { offset: mode.transp_offset, length: mode.transp_length },
  };
}
