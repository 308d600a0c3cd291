/**
 * Reads who shows something on which screen. Nothing of it is noted where it is missing: most
 * machines that load kernels have no screen, and many kernels no DRM.
 */

import {
  DRM,
  firmwareFramebufferMemory,
  PCI_DEVICES,
  PROC_FB,
  parsePciClass,
  parsePciMemory,
  parseProcFb,
} from "../../facts/display.ts";
import type { IomemResource } from "../../facts/iomem.ts";
import type { DisplayDevice, DisplayFacts } from "../../model/host-facts.ts";
import { attempt, type PseudoFiles } from "../files/read-pseudo-files.ts";

const DEVICES = /^\/sys\/devices\//;

const namesIn = (files: PseudoFiles, folder: string): string[] =>
  attempt([], () => files.names(folder)) ?? [];

const linkName = (files: PseudoFiles, link: string): string | null => {
  const target = files.target(link);
  return target === null ? null : target.slice(target.lastIndexOf("/") + 1);
};

function commonOf(files: PseudoFiles, at: string): Pick<DisplayDevice, "path" | "bus" | "driver"> {
  return {
    path: (files.target(at) ?? at).replace(DEVICES, ""),
    bus: linkName(files, `${at}/subsystem`),
    driver: linkName(files, `${at}/driver`),
  };
}

/** The PCI device, if it is a graphics card. */
function pciDisplay(files: PseudoFiles, at: string): DisplayDevice | null {
  return attempt([], () => {
    const file = `${at}/class`;
    const { display, vga } = parsePciClass(files.text(file), file);
    if (!display) return null;
    const isBootVga = vga && files.optionalText(`${at}/boot_vga`)?.trim() === "1";
    const memory = parsePciMemory(files.text(`${at}/resource`));
    return { ...commonOf(files, at), drm: false, vga: isBootVga, memory };
  });
}

/** The devices that DRM drivers have, PCI or not; `card0-HDMI-A-1` and the like are outputs. */
function drmDevices(files: PseudoFiles): DisplayDevice[] {
  return namesIn(files, DRM)
    .filter((name) => /^card\d+$/.test(name))
    .map((name) => {
      const common = commonOf(files, `${DRM}/${name}/device`);
      return { ...common, drm: true, vga: false, memory: [] };
    });
}

/**
 * @param resources all of /proc/iomem, as far as it could be read
 */
export function readDisplay(files: PseudoFiles, resources: readonly IomemResource[]): DisplayFacts {
  const drm = drmDevices(files);
  const pci = namesIn(files, PCI_DEVICES)
    .map((name) => pciDisplay(files, `${PCI_DEVICES}/${name}`))
    .filter((device) => device !== null)
    .map((device) => ({ ...device, drm: drm.some(({ path }) => path === device.path) }));
  const others = drm.filter(({ path }) => pci.every((device) => device.path !== path));
  return {
    framebuffers: parseProcFb(attempt([], () => files.optionalText(PROC_FB)) ?? ""),
    firmwareMemory: firmwareFramebufferMemory(resources),
    devices: [...pci, ...others],
  };
}
