/**
 * Which screen the next kernel gets: the one that the running kernel was told of at its boot, as
 * long as what the firmware set up is still what is shown.
 *
 * kexec-tools passes a frame buffer on only where fbdev calls its driver "VESA VGA" or "EFI VGA".
 * Drivers of DRM that draw on the firmware's frame buffer it takes for drivers of a graphics card,
 * so that the next kernel's screen stays black; and without /dev/fb0 it passes on what was told at
 * boot, whoever has reprogrammed the card since. differs
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
  /** "assumed": nothing is known, and text is what a PC usually shows. */
  readonly kind: "framebuffer" | "text" | "none" | "assumed";
  readonly screen: ScreenInfo;
  /** 64 bytes for the zero page; `ext_mem_k` is 0, `buildBootParams` sets it. */
  readonly bytes: Uint8Array;
  /** What the next kernel is told, and why; one sentence. */
  readonly note: string;
  /** Who shows something else than the firmware did, so that nothing of it is passed on. */
  readonly displayOwner: string | null;
}

/** Drivers that draw on the firmware's frame buffer through fbdev, and what it is passed on as. The
 * last is simplefb's, which coreboot's frame buffer has too. */
const FBDEV_TYPES: ReadonlyMap<string, number> = new Map([
  ["VESA VGA", VIDEO_TYPE_VLFB],
  ["EFI VGA", VIDEO_TYPE_EFI],
  ["simple", VIDEO_TYPE_VLFB],
]);

/**
 * DRM drivers that draw on the firmware's frame buffer and never change its mode, as fbdev shows
 * their names. They hide its address from fbdev. [linux drivers/gpu/drm/sysfb]
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
 * `orig_video_isVGA` is 0, so that nobody draws. Where the frame buffer lies is passed on all the
 * same, its size in bytes, because that memory is still the card's: without it Hyper-V's bus driver
 * gives it to other devices. [linux drivers/hv/vmbus_drv.c vmbus_reserve_fb]
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

/** The purgatory sets it before it starts the next kernel. Where the adapter stays in a mode of its
 * own all the same, Linux's VGA console finds no memory to write to, and is not used. */
const resetText = (): NextScreen =>
  next(
    "text",
    { ...TEXT_SCREEN, orig_video_mode: 3 },
    "VGA text of 80x25, because --reset-vga asks for it",
  );

const modeOf = ({ lfb_width, lfb_height, lfb_depth }: ScreenInfo): string =>
  `${lfb_width}x${lfb_height}x${lfb_depth}`;

/** As the running kernel was told: unchanged, but for where the kernel found it since. */
function asAtBoot(
  atBoot: ScreenInfo,
  { xen }: ScreenInput,
  why: string,
  address = framebufferAddress(atBoot),
): NextScreen {
  const told = xen === null ? "as at boot" : "as Xen passed it to dom0";
  if (!isFramebuffer(atBoot)) {
    if (!isText(atBoot)) return next("none", atBoot, `none, ${told}`);
    const size = `${atBoot.orig_video_cols}x${atBoot.orig_video_lines}`;
    return next("text", atBoot, `VGA text of ${size}, ${told}, because ${why}`);
  }
  const before = framebufferAddress(atBoot);
  const mode = `${modeOf(atBoot)} at ${hex(address)}`;
  if (address === before) return next("framebuffer", atBoot, `${mode}, ${told}, because ${why}`);
  const moved = `${mode}, because ${why}; at boot it was at ${hex(before)}`;
  return next("framebuffer", movedTo(atBoot, address), moved);
}

/** What a framebuffer device shows now. */
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
  return next("framebuffer", screen, `${where}, because ${name} shows that`);
}

const sameMode = (fb: FramebufferFacts, screen: ScreenInfo): boolean =>
  fb.xres === screen.lfb_width &&
  fb.yres === screen.lfb_height &&
  fb.bitsPerPixel === screen.lfb_depth &&
  fb.lineLength === screen.lfb_linelength;

/** The firmware's frame buffer, which `user` draws on. */
function stillUsed(user: string, input: ScreenInput): NextScreen {
  const { framebuffer: fb, display, bootParams } = input;
  const atBoot = bootParams === null ? null : screenAtBoot(bootParams);
  const told = atBoot !== null && isFramebuffer(atBoot) ? atBoot : null;
  const type = fb?.id === user ? FBDEV_TYPES.get(user) : undefined;
  const why = `${JSON.stringify(user)} still draws there`;
  if (fb === null || type === undefined || fb.smemStart === 0n) {
    if (told !== null) return asAtBoot(told, input, why, display?.firmwareMemory?.start);
    if (fb !== null && type !== undefined) return fromFramebuffer(fb, type, atBoot, input);
    if (atBoot === null) return assumedText(UNREADABLE);
    return asAtBoot(atBoot, input, `${JSON.stringify(user)} changes no mode`);
  }
  // "VESA VGA" may be uvesafb, which sets modes. "EFI VGA" never does, and where its mode is
  // another, the kernel knows that this firmware tells it wrongly, as will the next one.
  const isSame = user !== "VESA VGA" || (told !== null && sameMode(fb, told));
  if (told !== null && isSame) return asAtBoot(told, input, why, fb.smemStart);
  return fromFramebuffer(fb, type, atBoot, input);
}

/** Devices that stand for the firmware's frame buffer: `efi-framebuffer.0`.
 * [linux drivers/firmware/sysfb.c] */
const FIRMWARE_DEVICE = /(?:^|\/)([a-z]+-framebuffer)\.\d+$/;

/** What draws on the firmware's frame buffer; null where nothing does. */
function firmwareUser(fb: FramebufferFacts | null, display: DisplayFacts | null): string | null {
  const ids = [...(fb === null ? [] : [fb.id]), ...(display?.framebuffers ?? [])];
  const id = ids.find(drawsOnFirmware);
  if (id !== undefined) return id;
  // A DRM driver without fbdev.
  const drm = display?.devices.filter((device: DisplayDevice) => device.drm) ?? [];
  const names = drm.map(({ path }) => FIRMWARE_DEVICE.exec(path)?.[1]);
  return names.find((name) => name !== undefined) ?? null;
}

/**
 * What the next kernel may draw on.
 *
 * A graphics card that a driver has reprogrammed is not passed on, because the mode at boot is gone
 * and the next kernel would draw where nobody looks; `--reuse-video-type` overrides that, as in
 * kexec-tools. A frame buffer in use stays what it is with `--reset-vga`, which does not leave a
 * mode of the adapter's own.
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
  return asAtBoot(atBoot, input, "no driver has taken it");
}
