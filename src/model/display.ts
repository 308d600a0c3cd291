/** Who shows something on which screen, as Linux says it. */

import type { Range } from "../core/range.ts";

/** What FBIOGET_FSCREENINFO and FBIOGET_VSCREENINFO say of /dev/fb0. [linux uapi/linux/fb.h] */
export interface FramebufferFacts {
  readonly id: string;
  readonly smemStart: bigint;
  readonly smemLen: number;
  readonly lineLength: number;
  readonly xres: number;
  readonly yres: number;
  readonly bitsPerPixel: number;
  readonly red: BitField;
  readonly green: BitField;
  readonly blue: BitField;
  readonly transp: BitField;
}

export interface BitField {
  readonly offset: number;
  readonly length: number;
}

/** A graphics card, or what stands for the firmware's frame buffer. */
export interface DisplayDevice {
  /** Its place among all devices: `pci0000:00/0000:00:02.0`. */
  readonly path: string;
  /** `pci`, `platform`, `virtio`, …; null where the kernel does not say. */
  readonly bus: string | null;
  /** null: no driver has it. */
  readonly driver: string | null;
  /** Whether a DRM driver shows something on it. */
  readonly drm: boolean;
  /** Whether it is the VGA that the machine was started with. */
  readonly vga: boolean;
  /** What memory it answers to; PCI only. */
  readonly memory: readonly Range[];
}

/** Who shows something on which screen. */
export interface DisplayFacts {
  /** The names in /proc/fb, that of /dev/fb0 first. */
  readonly framebuffers: readonly string[];
  /** Where the kernel found the firmware's frame buffer; null where /proc/iomem does not say. */
  readonly firmwareMemory: Range | null;
  readonly devices: readonly DisplayDevice[];
}
