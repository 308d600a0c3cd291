/** Finds a driver that has reprogrammed the graphics card since the running kernel's boot. */

import type { DisplayDevice, DisplayFacts, FramebufferFacts } from "../../../model/display.ts";
import { framebufferAddress, isFramebuffer, type ScreenInfo } from "./screen-info.ts";

/** Drivers that make a bus of the card: the driver that shows a screen is bound to a device on
 * it. */
const BUS_DRIVERS = ["virtio-pci"];
/** DRM devices here are not graphics cards: vkms, USB display adapters, the firmware's devices. */
const BUSES_WITHOUT_CARDS = ["platform", "faux", "usb", "spi", "i2c"];

const nameOf = ({ path }: DisplayDevice): string => path.slice(path.lastIndexOf("/") + 1);

function showsBy(device: DisplayDevice, devices: readonly DisplayDevice[]): string | null {
  const { driver, path } = device;
  if (driver === null) return null;
  if (!BUS_DRIVERS.includes(driver)) return `${driver} drives ${nameOf(device)}`;
  const inside = devices.find((one) => one.drm && one.path.startsWith(`${path}/`));
  return inside === undefined ? null : `${inside.driver ?? "DRM"} drives ${nameOf(device)}`;
}

/** The graphics card that shows `screen`: the VGA for text, else the one with its frame buffer. */
function ownerOf(screen: ScreenInfo, devices: readonly DisplayDevice[]): DisplayDevice | undefined {
  if (!isFramebuffer(screen)) return devices.find(({ vga }) => vga);
  const address = framebufferAddress(screen);
  return devices.find(({ memory }) => memory.some((r) => r.start <= address && address < r.end));
}

/** For a screen whose card is not known: the driver of any graphics card. */
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
 * The driver that has reprogrammed the card, as a clause: `i915 drives 0000:00:02.0`; null if the
 * screen of boot is still shown. Drivers of cards that the firmware did not use do not count.
 *
 * @param atBoot the screen in the running kernel's boot_params; null if they could not be read
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

/** Whether there is a VGA that `--reset-vga` can reset; true too if that is not known. */
export function mayHaveVga(display: DisplayFacts | null): boolean {
  return display === null || display.devices.some(({ vga }) => vga);
}
