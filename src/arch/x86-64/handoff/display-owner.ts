/** Whether a driver shows something else on the screen that the running kernel was told of. */

import type { DisplayDevice, DisplayFacts, FramebufferFacts } from "../../../model/display.ts";
import { framebufferAddress, isFramebuffer, type ScreenInfo } from "./screen-info.ts";

/** Drivers of a bus that the card has in it: who shows something is a device on that bus. */
const BUS_DRIVERS = ["virtio-pci"];
/** What DRM has here is no graphics card: vkms, adapters at a USB port, the firmware's devices. */
const BUSES_WITHOUT_CARDS = ["platform", "faux", "usb", "spi", "i2c"];

const nameOf = ({ path }: DisplayDevice): string => path.slice(path.lastIndexOf("/") + 1);

function showsBy(device: DisplayDevice, devices: readonly DisplayDevice[]): string | null {
  const { driver, path } = device;
  if (driver === null) return null;
  if (!BUS_DRIVERS.includes(driver)) return `${driver} drives ${nameOf(device)}`;
  const inside = devices.find((one) => one.drm && one.path.startsWith(`${path}/`));
  return inside === undefined ? null : `${inside.driver ?? "DRM"} drives ${nameOf(device)}`;
}

/** The graphics card whose screen it is. */
function ownerOf(screen: ScreenInfo, devices: readonly DisplayDevice[]): DisplayDevice | undefined {
  if (!isFramebuffer(screen)) return devices.find(({ vga }) => vga);
  const address = framebufferAddress(screen);
  return devices.find(({ memory }) => memory.some((r) => r.start <= address && address < r.end));
}

/** Where the card is not known: whoever has one. */
function anyOwner(fb: FramebufferFacts | null, display: DisplayFacts): string | null {
  const drm = display.devices.filter((device) => device.drm);
  const card = drm.find(({ bus }) => bus !== null && !BUSES_WITHOUT_CARDS.includes(bus));
  if (card !== undefined) return `${card.driver ?? "DRM"} drives ${nameOf(card)}`;
  const ids = [...(fb === null ? [] : [fb.id]), ...display.framebuffers];
  const isKnown = (id: string) => drm.length > 0 && id.endsWith("drmfb");
  const id = ids.find((one) => !isKnown(one) && one !== "Virtual FB");
  return id === undefined ? null : notFirmwares(id);
}

const notFirmwares = (id: string): string =>
  `${JSON.stringify(id)} is not the firmware's frame buffer`;

/**
 * Who shows something else; null where what was shown at boot still is. A driver of another card
 * than the one that the firmware used takes nothing.
 *
 * @param atBoot what the running kernel was told; null where that is not known
 */
export function findDisplayOwner(
  atBoot: ScreenInfo | null,
  fb: FramebufferFacts | null,
  display: DisplayFacts | null,
): string | null {
  if (display === null) return fb === null ? null : notFirmwares(fb.id);
  const owner = atBoot === null ? undefined : ownerOf(atBoot, display.devices);
  return owner === undefined ? anyOwner(fb, display) : showsBy(owner, display.devices);
}

/** Whether `--reset-vga` can set anything: true too where that is not known. */
export function mayHaveVga(display: DisplayFacts | null): boolean {
  return display === null || display.devices.some(({ vga }) => vga);
}
