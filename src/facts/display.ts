/**
 * What the running kernel reports about screens: its framebuffer devices, its graphics cards, and
 * where it found the firmware's frame buffer. arch/x86-64/handoff/ decides what of it is still
 * valid.
 */

import { isEmpty, type Range, range } from "../core/range.ts";
import type { IomemResource } from "./iomem.ts";
import { parseNumber } from "./sysfs-number.ts";

export const PROC_FB = "/proc/fb";
export const PCI_DEVICES = "/sys/bus/pci/devices";
export const DRM = "/sys/class/drm";

/**
 * The names in /proc/fb, that of /dev/fb0 first: `0 EFI VGA`. [linux drivers/video/fbdev/core]
 */
export function parseProcFb(text: string): string[] {
  return text.split("\n").flatMap((line) => /^\d+ (.*)$/.exec(line)?.slice(1) ?? []);
}

/** PCI's base class of display controllers, and the class of VGA-compatible ones.
 * [linux include/linux/pci_ids.h PCI_BASE_CLASS_DISPLAY] */
const DISPLAY_CLASS = 0x03n;
const VGA_CLASS = 0x0300n;

/**
 * The `class` of a PCI device: whether it is a display controller, and whether it is
 * VGA-compatible.
 * @throws KexecError `facts.number`
 */
export function parsePciClass(text: string, file: string): { display: boolean; vga: boolean } {
  const code = parseNumber(text, file);
  return { display: code >> 16n === DISPLAY_CLASS, vga: code >> 8n === VGA_CLASS };
}

/** Only the first lines of `resource` are BARs: the expansion ROM and bridge windows follow. */
const BARS = 6;
/** [linux include/linux/ioport.h IORESOURCE_MEM] */
const RESOURCE_MEMORY = 0x200n;
const RESOURCE = /^0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16})$/;

/** The memory ranges of a PCI device's BARs, from its `resource`; lines of another form are
 * skipped. */
export function parsePciMemory(text: string): Range[] {
  return text
    .split("\n")
    .slice(0, BARS)
    .flatMap((line) => {
      const digits = RESOURCE.exec(line)?.slice(1) ?? [];
      const [first, last, flags] = digits.map((hex) => BigInt(`0x${hex}`));
      if (first === undefined || last === undefined || flags === undefined) return [];
      if ((flags & RESOURCE_MEMORY) === 0n || last < first) return [];
      return [range(first, last + 1n)];
    });
}

/** Names of the firmware's frame buffer in /proc/iomem: first the name of its platform device, then
 * the names of the drivers that draw on it.
 * [linux drivers/firmware/sysfb_simplefb.c, drivers/gpu/drm/sysfb, drivers/video/fbdev] */
const FIRMWARE_MEMORY = ["BOOTFB", "efifb", "vesafb", "efidrm", "vesadrm"];

/** Where the kernel found the firmware's frame buffer; null where /proc/iomem does not say. */
export function firmwareFramebufferMemory(resources: readonly IomemResource[]): Range | null {
  for (const wanted of FIRMWARE_MEMORY) {
    const found = resources.find((r) => r.name === wanted && !isEmpty(r));
    if (found !== undefined) return range(found.start, found.end);
  }
  return null;
}
