/** Screens for tests: what fbdev and the running kernel's boot_params say, and graphics cards. */

import {
  type NextScreen,
  nextScreen,
  type ScreenInput,
} from "../../../../src/arch/x86-64/handoff/next-screen.ts";
import type {
  DisplayDevice,
  DisplayFacts,
  FramebufferFacts,
} from "../../../../src/model/display.ts";
import type { HostFacts } from "../../../../src/model/host-facts.ts";
import { NO_X86_FACTS, type X86Facts } from "../../../../src/model/x86-64.ts";

export const framebuffer: FramebufferFacts = {
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

/** As `framebuffer` has it, unless `change` says otherwise; by offset. */
export function atBoot(type = 0x70, change: Readonly<Record<number, number>> = {}): Uint8Array {
  const bytes = new Uint8Array(4096);
  const set = (at: number, ...values: number[]) => bytes.set(values, at);
  set(0x00, 1, 2, 0xcd, 0xab); // orig_x, orig_y, ext_mem_k
  set(0x06, 3, 80); // orig_video_mode, orig_video_cols
  set(0x0e, 25, type, 16); // orig_video_lines, orig_video_isVGA, orig_video_points
  if (type === 0x23 || type === 0x70) {
    set(0x12, 0x00, 0x04, 0x00, 0x03, 32, 0); // 1024x768x32
    set(0x18, 0x00, 0x00, 0x00, 0x80); // lfb_base
    if (type === 0x70)
      set(0x1c, 0x00, 0x00, 0x30, 0x00); // lfb_size, in bytes
    else set(0x1c, 0x30, 0x00); // in 64 KiB
    set(0x24, 0x00, 0x10, 8, 16, 8, 8, 8, 0, 8, 24); // lfb_linelength, colours
    set(0x32, 9); // pages
  }
  set(0x20, 0x3f, 0xa3, 0x00, 0x10); // cl_magic, cl_offset
  set(0x36, 0x01); // capabilities: SKIP_QUIRKS
  set(0x40, 0xee); // apm_bios_info, not part of it
  for (const [at, value] of Object.entries(change)) bytes[Number(at)] = value;
  return bytes;
}

/** The VGA that the machine was started with, with `framebuffer` in it. */
export const card: DisplayDevice = {
  path: "pci0000:00/0000:00:02.0",
  bus: "pci",
  driver: null,
  drm: false,
  vga: true,
  memory: [{ start: 0x80000000n, end: 0x81000000n }],
};
export const otherCard: DisplayDevice = {
  ...card,
  path: "pci0000:00/0000:00:05.0",
  vga: false,
  memory: [{ start: 0x90000000n, end: 0x91000000n }],
};

export const display = (change: Partial<DisplayFacts> = {}): DisplayFacts => ({
  framebuffers: [],
  firmwareMemory: null,
  devices: [card],
  ...change,
});

export function screenFor(input: Partial<ScreenInput>): NextScreen {
  const nothing: ScreenInput = {
    framebuffer: null,
    display: null,
    bootParams: null,
    xen: null,
    reuseVideoType: false,
    resetVga: false,
  };
  return nextScreen({ ...nothing, ...input });
}

export const XEN: HostFacts["xen"] = { version: "4.17", capabilities: "", hypervisor: null };

/** The machine with something else on its screen. */
export const withScreen = (facts: HostFacts, change: Partial<X86Facts>): HostFacts => ({
  ...facts,
  x86_64: { ...(facts.x86_64 ?? NO_X86_FACTS), ...change },
});
