/**
 * Chooses the screen_info for the next kernel: the one from the running kernel's boot_params, as
 * long as the screen still shows the mode that the firmware set.
 *
 * Differs from kexec-tools, which passes a frame buffer on only if its fbdev driver is "VESA VGA"
 * or "EFI VGA". It takes DRM drivers of the firmware's frame buffer for drivers of a graphics card,
 * and the next kernel's screen stays black. Without /dev/fb0 it passes on the screen of boot, even
 * if a driver has reprogrammed the card since.
 */

import { hex } from "../../../core/address.ts";
import type { DisplayDevice, DisplayFacts, FramebufferFacts } from "../../../model/display.ts";
import type { HostFacts } from "../../../model/host-facts.ts";
import type { X86Facts } from "../../../model/x86-64.ts";
import { findDisplayOwner, mayHaveVga } from "./display-owner.ts";
import {
  framebufferAddress,
  isFramebuffer,
  isText,
  movedTo,
  type ScreenInfo,
  screenAtBoot,
  screenBytes,
  screenOf,
  screenOfFramebuffer,
  TEXT_SCREEN,
  takenMemory,
  VIDEO_TYPE_EFI,
  VIDEO_TYPE_VLFB,
} from "./screen-info.ts";

export interface ScreenInput
  extends Pick<X86Facts, "framebuffer" | "display" | "bootParams">,
    Pick<HostFacts, "xen"> {
  /** `--reuse-video-type` */
  readonly reuseVideoType: boolean;
  /** `--reset-vga` */
  readonly resetVga: boolean;
}

export interface NextScreen {
  /** "assumed": boot_params could not be read; VGA text is a PC's default. */
  readonly kind: "framebuffer" | "text" | "none" | "assumed";
  readonly screen: ScreenInfo;
  /** 64 bytes for the zero page; `ext_mem_k` is 0, `buildBootParams` sets it. */
  readonly bytes: Uint8Array;
  /** The screen and the reason, as one sentence for the plan. */
  readonly note: string;
  /** From `findDisplayOwner`: the driver because of which no screen is passed on; null: none. */
  readonly displayOwner: string | null;
}

/** The fbdev drivers that draw on the firmware's frame buffer, and the video type to pass on. The
 * last is simplefb, which also drives coreboot's frame buffer. */
const FBDEV_TYPES: ReadonlyMap<string, number> = new Map([
  ["VESA VGA", VIDEO_TYPE_VLFB],
  ["EFI VGA", VIDEO_TYPE_EFI],
  ["simple", VIDEO_TYPE_VLFB],
]);

/**
 * The fbdev names of DRM drivers that draw on the firmware's frame buffer and never change its
 * mode. They hide its address from fbdev. [linux drivers/gpu/drm/sysfb]
 */
const FIRMWARE_DRM = ["simpledrmdrmfb", "efidrmdrmfb", "vesadrmdrmfb"];

const drawsOnFirmware = (id: string): boolean => FBDEV_TYPES.has(id) || FIRMWARE_DRM.includes(id);

function next(
  kind: NextScreen["kind"],
  screen: Partial<ScreenInfo>,
  what: string,
  displayOwner: string | null = null,
): NextScreen {
  const bytes = screenBytes(screen);
  return { kind, screen: screenOf(screen), bytes, note: `Screen: ${what}.`, displayOwner };
}

/**
 * No screen: `orig_video_isVGA` is 0, so that the next kernel does not draw. The address and size
 * (in bytes) of the frame buffer are passed on all the same, because that memory still belongs to
 * the card: without them Hyper-V's bus driver gives it to other devices.
 * [linux drivers/hv/vmbus_drv.c vmbus_reserve_fb]
 */
function noScreen(
  why: string,
  { bootParams, display }: ScreenInput,
  displayOwner: string | null = null,
): NextScreen {
  const atBoot = bootParams === null ? null : screenAtBoot(bootParams);
  const taken = atBoot === null ? null : takenMemory(atBoot, display?.firmwareMemory?.start);
  const screen = { ...taken, ...TEXT_SCREEN, orig_video_isVGA: 0 };
  return next("none", screen, `none, because ${why}`, displayOwner);
}

const assumedText = (why: string): NextScreen =>
  next("assumed", TEXT_SCREEN, `VGA text of 80x25 is assumed, because ${why}`);

const UNREADABLE = "the running kernel's boot_params could not be read";

/** VGA text, which the purgatory sets before it starts the next kernel. If the adapter stays in a
 * vendor mode all the same, Linux finds no VGA text memory, and does not use its VGA console. */
const resetText = (): NextScreen =>
  next(
    "text",
    { ...TEXT_SCREEN, orig_video_mode: 3 },
    "VGA text of 80x25, because --reset-vga asks for it",
  );

const modeOf = ({ lfb_width, lfb_height, lfb_depth }: ScreenInfo): string =>
  `${lfb_width}x${lfb_height}x${lfb_depth}`;

/** The screen from the running kernel's boot_params. Only the frame buffer's address differs if the
 * kernel has moved it since. */
function asAtBoot(
  atBoot: ScreenInfo,
  { xen }: ScreenInput,
  why: string,
  address = framebufferAddress(atBoot),
): NextScreen {
  const origin = xen === null ? "as at boot" : "as Xen passed it to dom0";
  if (!isFramebuffer(atBoot)) {
    if (!isText(atBoot)) return next("none", atBoot, `none, ${origin}`);
    const size = `${atBoot.orig_video_cols}x${atBoot.orig_video_lines}`;
    return next("text", atBoot, `VGA text of ${size}, ${origin}, because ${why}`);
  }
  const before = framebufferAddress(atBoot);
  const mode = `${modeOf(atBoot)} at ${hex(address)}`;
  if (address === before) return next("framebuffer", atBoot, `${mode}, ${origin}, because ${why}`);
  const moved = `${mode}, because ${why}; at boot it was at ${hex(before)}`;
  return next("framebuffer", movedTo(atBoot, address), moved);
}

/** The mode that a framebuffer device shows now, with video type `type`. */
function fromFramebuffer(
  fb: FramebufferFacts,
  type: number,
  atBoot: ScreenInfo | null,
  input: ScreenInput,
): NextScreen {
  const name = JSON.stringify(fb.id);
  if (fb.smemStart === 0n) return noScreen(`${name} hides its frame buffer's address`, input);
  const screen = screenOfFramebuffer(fb, type, atBoot);
  if (screen === null) {
    const mode = `${fb.xres}x${fb.yres}x${fb.bitsPerPixel}`;
    return noScreen(`${name} has a mode that screen_info cannot hold, ${mode}`, input);
  }
  const where = `${modeOf(screen)} at ${hex(fb.smemStart)}`;
  return next("framebuffer", screen, `${where}, because ${name} shows it now`);
}

const sameMode = (fb: FramebufferFacts, screen: ScreenInfo): boolean =>
  fb.xres === screen.lfb_width &&
  fb.yres === screen.lfb_height &&
  fb.bitsPerPixel === screen.lfb_depth &&
  fb.lineLength === screen.lfb_linelength;

/** The firmware's frame buffer, on which the driver `user` draws. */
function stillUsed(user: string, input: ScreenInput): NextScreen {
  const { framebuffer: fb, display, bootParams } = input;
  const atBoot = bootParams === null ? null : screenAtBoot(bootParams);
  const bootBuffer = atBoot !== null && isFramebuffer(atBoot) ? atBoot : null;
  const type = fb?.id === user ? FBDEV_TYPES.get(user) : undefined;
  const why = `${JSON.stringify(user)} still draws on it`;
  if (fb === null || type === undefined || fb.smemStart === 0n) {
    if (bootBuffer !== null) {
      return asAtBoot(bootBuffer, input, why, display?.firmwareMemory?.start);
    }
    if (fb !== null && type !== undefined) return fromFramebuffer(fb, type, atBoot, input);
    if (atBoot === null) return assumedText(UNREADABLE);
    return asAtBoot(atBoot, input, `${JSON.stringify(user)} does not change the mode`);
  }
  // "VESA VGA" may be uvesafb, which sets modes. "EFI VGA" never does: if its mode differs from
  // boot_params, Linux has corrected a wrong value of this firmware, and the next kernel will too.
  const isSame = user !== "VESA VGA" || (bootBuffer !== null && sameMode(fb, bootBuffer));
  if (bootBuffer !== null && isSame) return asAtBoot(bootBuffer, input, why, fb.smemStart);
  return fromFramebuffer(fb, type, atBoot, input);
}

/** The platform device of the firmware's frame buffer: `efi-framebuffer.0`.
 * [linux drivers/firmware/sysfb.c] */
const FIRMWARE_DEVICE = /(?:^|\/)([a-z]+-framebuffer)\.\d+$/;

/** The driver or device that draws on the firmware's frame buffer; null: none. */
function firmwareUser(fb: FramebufferFacts | null, display: DisplayFacts | null): string | null {
  const ids = [...(fb === null ? [] : [fb.id]), ...(display?.framebuffers ?? [])];
  const id = ids.find(drawsOnFirmware);
  if (id !== undefined) return id;
  // A DRM driver without fbdev emulation.
  const drm = display?.devices.filter((device: DisplayDevice) => device.drm) ?? [];
  const names = drm.map(({ path }) => FIRMWARE_DEVICE.exec(path)?.[1]);
  return names.find((name) => name !== undefined) ?? null;
}

/**
 * The screen for the next kernel.
 *
 * If a driver has reprogrammed the graphics card, no screen is passed on: the mode of boot is gone,
 * and nobody would see what the next kernel draws. `--reuse-video-type` overrides that, as in
 * kexec-tools. `--reset-vga` does not change a frame buffer, because the reset by VGA registers
 * does not end a vendor mode of the adapter.
 *
 * @throws KexecError `struct.truncated` for boot_params that are cut short
 */
export function nextScreen(input: ScreenInput): NextScreen {
  const { framebuffer: fb, display, bootParams, reuseVideoType } = input;
  if (reuseVideoType && fb !== null && !drawsOnFirmware(fb.id)) {
    if (bootParams === null) return assumedText(`--reuse-video-type: ${UNREADABLE}`);
    const atBoot = screenAtBoot(bootParams);
    return fromFramebuffer(fb, atBoot.orig_video_isVGA, atBoot, input);
  }
  const user = firmwareUser(fb, display);
  if (user !== null) return stillUsed(user, input);
  const atBoot = bootParams === null ? null : screenAtBoot(bootParams);
  const displayOwner = findDisplayOwner(atBoot, fb, display);
  const resets = input.resetVga && mayHaveVga(display);
  if (displayOwner !== null)
    return resets ? resetText() : noScreen(displayOwner, input, displayOwner);
  if (resets && !(atBoot !== null && isFramebuffer(atBoot))) return resetText();
  if (atBoot === null) return assumedText(UNREADABLE);
  const why = display === null ? "its driver is not known" : "no driver has reprogrammed the card";
  return asAtBoot(atBoot, input, why);
}
