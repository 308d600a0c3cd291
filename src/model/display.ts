/** The frame buffers and display devices of a machine, as Linux reports them. */

import type { Range } from "../core/range.ts";

/** The answers of FBIOGET_FSCREENINFO and FBIOGET_VSCREENINFO for /dev/fb0, with the names of their
 * fields. [linux include/uapi/linux/fb.h] */
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

/** A graphics card, or the device that Linux makes for the firmware's frame buffer. */
export interface DisplayDevice {
  /** Its path below /sys/devices, e.g. `pci0000:00/0000:00:02.0`. */
  readonly path: string;
  /** `pci`, `platform`, `virtio`, …; null: the kernel does not report it. */
  readonly bus: string | null;
  /** null: no driver is bound to it. */
  readonly driver: string | null;
  /** Whether it has a DRM device. */
  readonly drm: boolean;
  /** Whether it is the VGA device that the firmware used at boot. */
  readonly vga: boolean;
  /** The memory ranges of its BARs; empty where it is not a PCI device. */
  readonly memory: readonly Range[];
}

/** The frame buffers and display devices of a machine. */
export interface DisplayFacts {
  /** The names in /proc/fb, that of /dev/fb0 first. */
  readonly framebuffers: readonly string[];
  /** The memory of the firmware's frame buffer; null where /proc/iomem does not list it. */
  readonly firmwareMemory: Range | null;
  readonly devices: readonly DisplayDevice[];
}
