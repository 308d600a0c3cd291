/** Which screen the next kernel gets: a table over what machines say of their screens. */

import { describe, expect, test } from "bun:test";
import type { ScreenInput } from "../../../../src/arch/x86-64/handoff/next-screen.ts";
import {
  ScreenInfo,
  screenAtBoot,
  screenBytes,
} from "../../../../src/arch/x86-64/handoff/screen-info.ts";
import { hexOf } from "../../../../src/core/bytes.ts";
import { atBoot, card, display, framebuffer, otherCard, screenFor, XEN } from "./screens.ts";

const TEXT = "000000000000" + "00" + "50" + "00000000" + "0000" + "19" + "01" + "1000";
const told = (bootParams: Uint8Array) => screenBytes(screenAtBoot(bootParams));
const hidden = (id: string) => ({ ...framebuffer, id, smemStart: 0n });

describe("the firmware's frame buffer is in use: as at boot, unchanged", () => {
  const firmwareDrm = {
    path: "platform/simple-framebuffer.0",
    bus: "platform",
    driver: "simple-framebuffer",
    drm: true,
    vga: false,
    memory: [],
  };
  test.each<[string, Partial<ScreenInput>]>([
    ["efifb", { framebuffer }],
    ["efifb that hides its address", { framebuffer: hidden("EFI VGA") }],
    ["simplefb", { framebuffer: { ...framebuffer, id: "simple" } }],
    ["simpledrm", { framebuffer: hidden("simpledrmdrmfb") }],
    ["efidrm", { framebuffer: hidden("efidrmdrmfb") }],
    ["/proc/fb alone", { display: display({ framebuffers: ["simpledrmdrmfb"] }) }],
    ["the second device", { display: display({ framebuffers: ["udldrmfb", "EFI VGA"] }) }],
    [
      "the second device, another card having the first",
      {
        framebuffer: hidden("amdgpudrmfb"),
        display: display({
          framebuffers: ["amdgpudrmfb", "EFI VGA"],
          devices: [card, { ...otherCard, driver: "amdgpu", drm: true }],
        }),
      },
    ],
    ["simpledrm without fbdev", { display: display({ devices: [card, firmwareDrm] }) }],
    [
      "the same below its card",
      {
        display: display({
          devices: [card, { ...firmwareDrm, path: `${card.path}/efi-framebuffer.0` }],
        }),
      },
    ],
    [
      "the kernel says where it is",
      {
        framebuffer: hidden("simpledrmdrmfb"),
        display: display({ firmwareMemory: { start: 0x80000000n, end: 0x80300000n } }),
      },
    ],
    // Tablets whose firmware tells width and height the wrong way round: the kernel corrects it,
    // and so will the next one.
    ["efifb, corrected", { framebuffer: { ...framebuffer, xres: 768, yres: 1024 } }],
  ])("%s", (_, input) => {
    const found = screenFor({ bootParams: atBoot(), ...input });
    expect(found.bytes).toEqual(told(atBoot()));
    expect(found.kind).toBe("framebuffer");
    expect(found.note).toMatch(
      /^Screen: 1024x768x32 at 0x80000000, as at boot, because ".+" still draws on it\.$/,
    );
  });

  test("vesafb", () => {
    const bootParams = atBoot(0x23);
    const found = screenFor({ framebuffer: { ...framebuffer, id: "VESA VGA" }, bootParams });
    expect(found.bytes).toEqual(told(bootParams));
  });

  test("PCI moved the card: where it is now, and nothing else changes", () => {
    const moved = 0x40_0000_0000n;
    const memory = { start: moved, end: moved + 0x300000n };
    const inputs: Partial<ScreenInput>[] = [
      { framebuffer: { ...framebuffer, smemStart: moved } },
      {
        framebuffer: hidden("simpledrmdrmfb"),
        display: display({ firmwareMemory: memory }),
      },
    ];
    for (const input of inputs) {
      const { bytes, note } = screenFor({ bootParams: atBoot(), ...input });
      expect(ScreenInfo.read(bytes)).toEqual({
        ...screenAtBoot(atBoot()),
        lfb_base: 0,
        ext_lfb_base: 0x40,
        capabilities: 3,
      });
      expect(note).toMatch(/1024x768x32 at 0x4000000000, because ".+" still draws on it; at boot/);
      expect(note).toEndWith(" it was at 0x80000000.");
    }
  });

  test("a device's own mode, where nothing or something else was told at boot", () => {
    const vesa = { ...framebuffer, id: "VESA VGA" };
    const cases: [Partial<ScreenInput>, number][] = [
      [{ framebuffer }, 0x70],
      [{ framebuffer, bootParams: atBoot(0) }, 0x70],
      [{ framebuffer: { ...framebuffer, id: "simple" }, bootParams: atBoot(0) }, 0x23],
      // uvesafb sets modes.
      [{ framebuffer: vesa, bootParams: atBoot(1) }, 0x23],
      [{ framebuffer: vesa, bootParams: atBoot(0x23, { 18: 0x20, 19: 0x03 }) }, 0x23],
    ];
    for (const [input, type] of cases) {
      const { screen, note } = screenFor(input);
      expect(screen).toMatchObject({
        orig_video_isVGA: type,
        lfb_width: 1024,
        lfb_base: 0x80000000,
        pages: 1,
      });
      expect(note).toMatch(/^Screen: 1024x768x32 at 0x80000000, because ".+" shows it now\.$/);
    }
  });

  test("--reset-vga does not leave a mode of the adapter's own", () => {
    const found = screenFor({ framebuffer, bootParams: atBoot(), resetVga: true });
    expect(found.bytes).toEqual(told(atBoot()));
  });

  test("what cannot be told is not: a hidden address, a mode that is too large", () => {
    const found = screenFor({ framebuffer: hidden("EFI VGA"), bootParams: atBoot(0) });
    expect(found.kind).toBe("none");
    expect(found.note).toContain("hides its frame buffer's address");
    const { kind, note } = screenFor({ framebuffer: { ...framebuffer, xres: 65536 } });
    expect(kind).toBe("none");
    expect(note).toContain('"EFI VGA" has a mode that screen_info cannot hold, 65536x768x32.');
  });

  test("a firmware driver without anything told at boot", () => {
    const framebuffer = hidden("simpledrmdrmfb");
    expect(hexOf(screenFor({ framebuffer }).bytes)).toBe(TEXT.padEnd(128, "0"));
    expect(screenFor({ framebuffer, bootParams: atBoot(0) }).kind).toBe("none");
  });
});

const by = (driver: string) => display({ devices: [{ ...card, driver, drm: true }, otherCard] });
const virtio = {
  ...card,
  path: `${card.path}/virtio0`,
  bus: "virtio",
  driver: "virtio_gpu",
  drm: true,
  vga: false,
  memory: [],
};

describe("a driver has taken the card: nothing is passed on", () => {
  const fb = { framebuffer: hidden("i915drmfb") };
  test.each<[string, Partial<ScreenInput>, string]>([
    ["i915", { ...fb, display: by("i915") }, "i915 drives 0000:00:02.0"],
    ["no fbdev", { display: by("amdgpu") }, "amdgpu drives 0000:00:02.0"],
    ["no DRM", { display: display({ devices: [{ ...card, driver: "nvidia" }] }) }, "nvidia drives"],
    ["a guest has it", { display: by("vfio-pci") }, "vfio-pci drives 0000:00:02.0"],
    ["VGA text was told", { bootParams: atBoot(1), display: by("ast") }, "ast drives"],
    [
      "virtio",
      { display: display({ devices: [{ ...card, driver: "virtio-pci" }, virtio] }) },
      "virtio_gpu drives 0000:00:02.0",
    ],
    [
      "a card that is not PCI's",
      {
        display: display({
          devices: [
            { ...virtio, path: "LNXSYSTM:00/VMBUS:00/x", bus: "vmbus", driver: "hyperv_drm" },
          ],
        }),
      },
      "hyperv_drm drives x",
    ],
    [
      "fbdev alone",
      { display: display({ framebuffers: ["hyperv_fb"], devices: [] }) },
      '"hyperv_fb" is not the firmware\'s frame buffer',
    ],
    ["facts from before", fb, '"i915drmfb" is not the firmware\'s frame buffer'],
    ["boot_params hidden", { ...fb, display: by("i915"), bootParams: null }, "i915 drives"],
    [
      "devices hidden",
      { ...fb, display: display({ framebuffers: ["i915drmfb"], devices: [] }) },
      '"i915drmfb" is not',
    ],
  ])("%s", (_, input, why) => {
    const found = screenFor({ bootParams: atBoot(), ...input });
    expect(found.kind).toBe("none");
    const isKnown = !("bootParams" in input);
    expect(found.screen).toMatchObject({
      orig_video_isVGA: 0,
      // Not to be drawn on, and not free.
      lfb_base: isKnown ? 0x80000000 : 0,
      lfb_size: isKnown ? 48 << 16 : 0,
      ...{ lfb_width: 0, lfb_height: 0, lfb_depth: 0, lfb_linelength: 0, red_size: 0 },
      orig_video_cols: 80,
      orig_video_lines: 25,
    });
    expect(found.note).toStartWith(`Screen: none, because ${why}`);
    expect(found.displayOwner).toStartWith(why);
  });

  test("where a driver has the screen, its memory stays taken, from kernel to kernel", () => {
    const screen = { display: by("hyperv_drm") };
    // EFI's frame buffers say bytes, and may lie above 4 GiB.
    const high = atBoot(0x70, { 30: 0x80, 54: 2, 58: 5 });
    const first = screenFor({ bootParams: high, ...screen });
    const taken = { lfb_base: 0x80000000, ext_lfb_base: 5, lfb_size: 0x800000, capabilities: 2 };
    expect(first.screen).toMatchObject({ ...taken, orig_video_isVGA: 0 });
    const page = high.slice();
    page.set(first.bytes);
    const second = screenFor({ bootParams: page, ...screen });
    expect(second.screen).toMatchObject({ ...taken, orig_video_isVGA: 0 });
    // Nobody has it any more, and nothing is shown.
    const third = screenFor({ bootParams: page, display: display({ devices: [] }) });
    expect(third.kind).toBe("none");
    expect(third.screen).toMatchObject({ ...taken, orig_video_isVGA: 0 });
  });

  test("--reset-vga: VGA text, where there is a VGA", () => {
    const found = screenFor({ bootParams: atBoot(), display: by("i915"), resetVga: true });
    expect(found.kind).toBe("text");
    expect(found.screen).toMatchObject({ orig_video_isVGA: 1, orig_video_mode: 3, lfb_base: 0 });
    expect(found.note).toBe("Screen: VGA text of 80x25, because --reset-vga asks for it.");
    const devices = [{ ...card, driver: "i915", vga: false }];
    const without = screenFor({
      bootParams: atBoot(),
      display: display({ devices }),
      resetVga: true,
    });
    expect(without.kind).toBe("none");
  });

  test("--reuse-video-type: what the driver shows, and the type from boot", () => {
    const { screen, kind } = screenFor({
      framebuffer: { ...framebuffer, id: "i915drmfb" },
      display: by("i915"),
      bootParams: atBoot(0x23),
      reuseVideoType: true,
    });
    expect(kind).toBe("framebuffer");
    expect(screen).toMatchObject({
      orig_video_isVGA: 0x23,
      orig_x: 0,
      lfb_width: 1024,
      lfb_base: 0x80000000,
      lfb_size: 0x30,
    });
    const hides = { framebuffer: hidden("i915drmfb"), bootParams: atBoot(), reuseVideoType: true };
    expect(screenFor(hides).kind).toBe("none");
    const blind = screenFor({ ...hides, bootParams: null });
    expect(hexOf(blind.bytes)).toBe(TEXT.padEnd(128, "0"));
    expect(blind.note).toContain("--reuse-video-type");
  });
});

describe("nobody has taken it: as at boot", () => {
  const drm = { driver: "i915", drm: true };
  const usb = { ...virtio, path: "usb1/1-1/1-1:1.0", bus: "usb", driver: "udl" };
  const vkms = { ...virtio, path: "platform/vkms", bus: "platform", driver: "vkms" };
  test.each<[string, Partial<ScreenInput>]>([
    ["no /dev/fb0, no card", {}],
    ["a card without a driver", { display: display() }],
    ["another card has one", { display: display({ devices: [card, { ...otherCard, ...drm }] }) }],
    [
      "virtio without its DRM driver",
      { display: display({ devices: [{ ...card, driver: "virtio-pci" }] }) },
    ],
    [
      "a screen at a USB port",
      { display: display({ devices: [usb], framebuffers: ["udldrmfb"] }) },
    ],
    ["no screen at all", { display: display({ devices: [vkms], framebuffers: ["vkmsdrmfb"] }) }],
    ["memory", { display: display({ devices: [], framebuffers: ["Virtual FB"] }) }],
  ])("%s", (_, input) => {
    for (const bootParams of [atBoot(), atBoot(0x23), atBoot(1), atBoot(0)]) {
      const found = screenFor({ bootParams, ...input });
      expect(found.bytes).toEqual(told(bootParams));
      expect(found.displayOwner).toBeNull();
    }
  });

  test.each([
    [
      "a frame buffer",
      atBoot(),
      "1024x768x32 at 0x80000000, as at boot, because no driver has reprogrammed the card",
    ],
    ["VGA text", atBoot(1), "VGA text of 80x25, as at boot, because no driver has"],
    ["EGA text", atBoot(0x22), "VGA text of 80x25, as at boot"],
    ["no screen", atBoot(0), "none, as at boot"],
    ["a frame buffer at 0", atBoot(0x23, { 27: 0 }), "none, as at boot"],
    ["unknown", null, "VGA text of 80x25 is assumed, because the running kernel's boot_params"],
  ])("it says so: %s", (_, bootParams, words) => {
    expect(screenFor({ bootParams, display: display() }).note).toStartWith(`Screen: ${words}`);
  });

  test("nothing known: text of 80x25", () => {
    expect(hexOf(screenFor({}).bytes)).toBe(TEXT.padEnd(128, "0"));
  });

  test("--reset-vga: text of 80x25, whatever text it was", () => {
    const bootParams = atBoot(1, { 14: 50 });
    const found = screenFor({ bootParams, display: display(), resetVga: true });
    expect(found.screen).toMatchObject({ orig_video_lines: 25, orig_video_mode: 3 });
    expect(screenFor({ bootParams: atBoot(), display: display(), resetVga: true }).bytes).toEqual(
      told(atBoot()),
    );
  });

  test("in a dom0 it was Xen that told it, and drivers take it all the same", () => {
    const found = screenFor({ bootParams: atBoot(), display: display(), xen: XEN });
    expect(found.note).toContain("at 0x80000000, as Xen passed it to dom0, because");
    expect(screenFor({ bootParams: atBoot(), display: by("i915"), xen: XEN }).kind).toBe("none");
  });
});
