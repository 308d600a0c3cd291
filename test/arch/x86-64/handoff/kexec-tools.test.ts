/**
 * The zero page against the one that kexec-tools 2.0.25 made: for Debian's 6.1.0-56-amd64, on a
 * machine of 24 GiB with an invented EFI, one BIOS disk and an EFI frame buffer. It was recorded
 * from the arguments of its kexec_load(2). Each difference is meant, and is listed with its reason.
 */

import { expect, test } from "bun:test";
import { buildBootParams } from "../../../../src/arch/x86-64/handoff/boot-params.ts";
import { buildE820 } from "../../../../src/arch/x86-64/handoff/e820.ts";
import { buildEddTables } from "../../../../src/arch/x86-64/handoff/edd-info.ts";
import { buildEfi } from "../../../../src/arch/x86-64/handoff/efi-info.ts";
import { nextScreen } from "../../../../src/arch/x86-64/handoff/next-screen.ts";
import { layoutSetupData } from "../../../../src/arch/x86-64/handoff/setup-data.ts";
import { readSetupHeader } from "../../../../src/arch/x86-64/handoff/setup-header.ts";
import { hexOf } from "../../../../src/core/bytes.ts";

const KERNEL_HEADER =
  "27010020d807000000ffff000055aaeb6a486472530f02000000000010c0420001008000001000000000000000000000" +
  "000000e05b000000000000ffffff7f0000200001157f00ff070000000000000000000000000000cc02000070f07b0000" +
  "0000000000000000000001000000000080f903b08d7c009c577d00";

const KEXEC_TOOLS: readonly (readonly [number, string])[] = [
  [0x003, "fc000000500000000000001970100000040003200000000080300000003fa3005000100810080808000818"],
  [0x032, "00030000020000004200"],
  [0x070, "14e0b73f"],
  [0x0c0, "06"],
  [0x0c8, "06"],
  [0x1c0, "454c363418e0ed3f2800000001000000001010005000000002"],
  [0x1e0, "fffb2f0000000000050101"],
  [0x1f1, "27ffff20d807000000ffff00035500eb6a486472530f02000000000010c042d0000080000010000080fd3f"],
  [0x21c, "a086010000000000e05b00000060ff3fffffff7f0000200001157f00ff07"],
  [0x248, "cc02000070f07b0000201000000000000000000100000000"],
  [0x260, "0080f903b08d7c009c577d"],
  [0x290, "70563412"],
  [0x2d0, "0004000000000000" + "00f8090000000000" + "01000000"],
  [0x2e4, "00fc090000000000" + "0004060000000000" + "02000000"],
  [0x2f8, "0000100000000000" + "0000f0bf00000000" + "01000000"],
  [0x30c, "0000c0ee00000000" + "0000001000000000" + "02000000"],
  [0x320, "0000000001000000" + "0000004005000000" + "01000000"],
  [0xd00, "80300500fe03fe3f1e00020064000000100000003f0000000008000000000000"],
  [0xd20, "0002ffffffff"],
];

/** [offset, size, why] */
const DIFFERENCES: readonly (readonly [number, number, string])[] = [
  [0x01c, 4, "lfb_size is in bytes for an EFI frame buffer"],
  [0x020, 4, "cl_magic and cl_offset are for protocols before 2.02"],
  [0x032, 2, "pages is the number of images, not of 4 KiB pages"],
  [0x036, 1, "the quirk bit is the running kernel's"],
  [0x1ec, 1, "secure_boot is the running kernel's"],
  [0x1f2, 2, "root_flags is the image's"],
  [0x1fc, 2, "root_dev is the image's"],
  [0x1ff, 1, "boot_flag is the image's"],
];

const image = new Uint8Array(0x400);
image.set(Buffer.from(KERNEL_HEADER, "hex"), 0x1f1);

const running = new Uint8Array(4096);
running.set(
  Buffer.from("454c363418e0ed3f3000000001000000188063e3a01400000200000003000000", "hex"),
  0x1c0,
);
running.set([2], 0x1ec);
running.set([0x70], 0x00f);
running.set([1], 0x036);

const efi = buildEfi({
  efi: {
    systab: [{ name: "SMBIOS", address: 0x3f9ba000n }],
    fwVendor: 0x3fede098n,
    runtime: 0x3ffd4018n,
    configTable: 0x1_3feddf18n,
    runtimeMap: [
      { type: 5, physAddr: 0x3f9ec000n, virtAddr: 0n, numPages: 0x100n, attribute: 15n },
      { type: 6, physAddr: 0x1000n, virtAddr: 0n, numPages: 1n, attribute: 15n },
    ],
  },
  bootParams: running,
  xloadflags: readSetupHeader(image).xloadflags,
  noEfi: false,
});

function build(): Uint8Array {
  if (!efi.passed) throw new Error(efi.note);
  const colour = (offset: number) => ({ offset, length: 8 });
  return buildBootParams({
    image,
    commandLine: 0x6_3fff_6000n,
    initrd: { address: 0x6_3ffd_8000n, size: 100_000n },
    setupData: 0x102000n,
    e820: buildE820([
      { start: 0x400n, end: 0x9fc00n, type: "ram" },
      { start: 0x9fc00n, end: 0x100000n, type: "reserved" },
      { start: 0x100000n, end: 0xc0000000n, type: "ram" },
      { start: 0xeec00000n, end: 0xfec00000n, type: "reserved" },
      { start: 0x1_0000_0000n, end: 0x6_4000_0000n, type: "ram" },
    ]),
    efi: { handoff: efi, memoryMap: 0x101000n },
    screenInfo: nextScreen({
      framebuffer: {
        id: "EFI VGA",
        smemStart: 0x42_8000_0000n,
        smemLen: 0x300000,
        lineLength: 4096,
        xres: 1024,
        yres: 768,
        bitsPerPixel: 32,
        red: colour(16),
        green: colour(8),
        blue: colour(0),
        transp: colour(24),
      },
      display: null,
      bootParams: running,
      xen: null,
      reuseVideoType: false,
      resetVga: false,
    }).bytes,
    edd: buildEddTables([
      {
        device: 0x80,
        version: 0x30,
        interfaceSupport: 5,
        legacyMaxCylinder: 1022,
        legacyMaxHead: 254,
        legacySectorsPerTrack: 63,
        rawData: Buffer.from("1e00020064000000100000003f00000000080000000000000002ffffffff", "hex"),
        mbrSignature: 0x12345670,
      },
    ]),
    acpiRsdp: 0x3fb7e014n,
    running,
  });
}

test("the zero page differs from kexec-tools' where it is meant to, and nowhere else", () => {
  const theirs = new Uint8Array(4096);
  for (const [at, hex] of KEXEC_TOOLS) theirs.set(Buffer.from(hex, "hex"), at);
  const ours = build();
  for (const [at, size, why] of DIFFERENCES) {
    const [a, b] = [ours.slice(at, at + size), theirs.slice(at, at + size)];
    expect([why, hexOf(a)]).not.toEqual([why, hexOf(b)]);
    theirs.set(a, at);
  }
  expect(hexOf(ours)).toBe(hexOf(theirs));
});

test("the setup_data nodes are kexec-tools', but for the addresses", () => {
  if (!efi.passed) throw new Error(efi.note);
  const seed = { type: 9, data: new Uint8Array(32).fill(0x5e) };
  const { bytes } = layoutSetupData([seed, efi.setupData], 0x102000n);
  expect(hexOf(bytes)).toBe(
    `30201000000000000900000020000000${"5e".repeat(32)}` +
      "00000000000000000400000060000000" +
      "98e0ed3f000000001840fd3f0000000018dfed3f0100000000a09b3f00000000" +
      "00".repeat(64),
  );
});
