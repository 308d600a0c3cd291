/** vmlinux alone: what makes an ELF file a Linux kernel, where it goes, and what it is given. */

import { describe, expect, test } from "bun:test";
import { elfX86 } from "../../../../src/arch/x86-64/image/elf-x86.ts";
import { elfX8664 } from "../../../../src/arch/x86-64/image/elf-x86-64.ts";
import type { ElfBits } from "../../../../src/image/elf-image.ts";
import { bytesAt, draftOf, type Given, imageOf, textAt } from "../../../image/plan-context.ts";
import { makeElf } from "../../../images/make-elf.ts";
import { type VmlinuxParts, vmlinuxParts } from "../../../images/make-vmlinux.ts";
import { refusal } from "../../../kexec-error.ts";
import { pattern } from "../../../plan/pieces.ts";

const INITRD = pattern(5000);
const typeOf = (bits: ElfBits = 64) => (bits === 64 ? elfX8664 : elfX86);
const drafted = (parts: VmlinuxParts = {}, given: Given = {}) =>
  draftOf(typeOf(parts.bits), makeElf(vmlinuxParts(parts)), given);

describe("what makes an ELF file a Linux kernel", () => {
  test.each<[string, VmlinuxParts, boolean]>([
    ["banner and addresses", {}, true],
    ["the same with 32 bits", { bits: 32 }, true],
    ["32 bits and CONFIG_VMSPLIT_1G", { bits: 32, offset: 0x40000000n }, true],
    ["no banner", { banner: "FreeBSD 14" }, false],
    ["a banner that is to be printed", { banner: "Linux version %s" }, false],
    ["virtual addresses elsewhere", { offset: 0xffffffff00000000n }, false],
    ["virtual addresses that are the physical ones", { offset: 0n }, false],
    ["32 bits below CONFIG_VMSPLIT_1G's", { bits: 32, offset: 0x3ff00000n }, false],
    ["32 bits and no whole MiB", { bits: 32, offset: 0xc0001000n }, false],
  ])("%s", (_, parts, isLinux) => {
    const image = imageOf(typeOf(parts.bits), makeElf(vmlinuxParts(parts)));
    // COMMAND_LINE_SIZE without its NUL. [linux arch/x86/include/asm/setup.h]
    expect(image.commandLineLimit?.max ?? null).toBe(isLinux ? 2047 : null);
    expect(image.takesEfi).toBe(isLinux && parts.bits !== 32);
    expect(drafted(parts).segments.at(-1)).toContain(isLinux ? "boot-params" : "boot-notes");
  });
});

/** RAM is at 0x1000, 0x100000 to 0x40000000, and 0x100000000 to 0x140000000. */
describe("the segments", () => {
  test.each<[string, VmlinuxParts, Given, readonly string[]]>([
    [
      "one from the first to the last byte, where its headers say",
      {},
      { commandLine: "quiet", initrd: INITRD },
      [
        "kernel 0x1000000: 0x420000 at 0x1000000, guest-owned only",
        "initrd 0x13fffe000: 0x1388 by 0x1 in [0x1000000, 2^64) from top",
        "boot-params 0x13fffc000: 0x1010 by 0x10 in [0x3000, 2^64) from top",
      ],
    ],
    [
      "32 bits: initrd below 896 MiB, boot params below 4 GiB",
      { bits: 32 },
      { initrd: INITRD },
      [
        "kernel 0x1000000: 0x420000 at 0x1000000",
        "initrd 0x37ffe000: 0x1388 by 0x1 in [0x1000000, 0x38000000) from top",
        "boot-params 0x3fffe000: 0x1010 by 0x10 in [0x3000, 0x100000000) from top",
      ],
    ],
    [
      "up by steps of 2 MiB where its own place is in use",
      {},
      { free: [{ start: 0x1001000n, end: 0x40000000n }] },
      [
        "kernel nowhere: 0x420000 at 0x1000000, guest-owned only",
        "kernel 0x1200000: 0x420000 by 0x200000 in [0x1000000, 2^64) from bottom",
        "boot-params 0x3fffe000: 0x1010 by 0x10 in [0x3000, 2^64) from top",
      ],
    ],
    [
      "from a multiple of 2 MiB on where it was linked in between",
      { physical: 0x1080000n },
      { free: [{ start: 0x1100000n, end: 0x40000000n }] },
      [
        "kernel nowhere: 0x420000 at 0x1080000, guest-owned only",
        "kernel 0x1200000: 0x4a0000 by 0x200000 in [0x1000000, 2^64) from bottom",
        "boot-params 0x3fffe000: 0x1010 by 0x10 in [0x3000, 2^64) from top",
      ],
    ],
    [
      "room behind the command line",
      {},
      { commandLine: "quiet", room: 48 },
      [
        "kernel 0x1000000: 0x420000 at 0x1000000, guest-owned only",
        "boot-params 0x13fffe000: 0x1040 by 0x10 in [0x3000, 2^64) from top",
      ],
    ],
  ])("%s", (_, parts, given, asked) => {
    expect(drafted(parts, given).asked).toEqual([...asked]);
  });

  test("have the file's bytes at their distance, and zeros between", () => {
    const all = drafted();
    const bytes = bytesAt(all, 0x1000000n);
    const [first] = vmlinuxParts().parts;
    expect(bytes).toHaveLength(0x401800);
    expect(bytes.subarray(0, 0x1800)).toEqual(first?.bytes ?? new Uint8Array());
    expect(bytes.subarray(0x400000)).toEqual(first?.bytes ?? new Uint8Array());
    expect(bytes.subarray(0x1800, 0x400000).every((byte) => byte === 0)).toBe(true);
  });
});

describe("the entry", () => {
  test.each<[string, VmlinuxParts, Given, object]>([
    ["where its header says", {}, {}, { mode: 64, rip: 0x1000040n, rsi: 0x13fffe000n }],
    [
      "moved with the kernel",
      { physical: 0x1080000n },
      { free: [{ start: 0x1100000n, end: 0x40000000n }] },
      { mode: 64, rip: 0x1280040n, rsi: 0x3fffe000n },
    ],
    ["in 32-bit mode", { bits: 32 }, {}, { mode: 32, rip: 0x1000040n, rsi: 0x3fffe000n }],
  ])("%s", (_, parts, given, state) => {
    expect<unknown>(drafted(parts, given).draft.entryState).toEqual({ arch: "x86_64", ...state });
  });
});

describe("the zero page", () => {
  test.each([
    // XLF_KERNEL_64, XLF_CAN_BE_LOADED_ABOVE_4G, XLF_EFI_KEXEC. [x86-boot] 0x236
    [64, 0x13fffe000n, 0x13],
    [32, 0x3fffe000n, 0],
  ] as const)("has a setup header, which a vmlinux of %d bits lacks", (bits, start, flags) => {
    const all = drafted({ bits }, { commandLine: "quiet" });
    const view = new DataView(bytesAt(all, start).slice().buffer);
    expect(view.getUint32(0x202, true)).toBe(0x53726448);
    // version, xloadflags, cmdline_size. [x86-boot]
    expect(view.getUint16(0x206, true)).toBe(0x020f);
    expect(view.getUint16(0x236, true)).toBe(flags);
    expect(view.getUint32(0x238, true)).toBe(2047);
    expect(textAt(all, start + 0x1000n)).toBe("quiet");
    expect(all.draft.commandLineEnd).toBe(start + 0x1005n);
  });
});

describe("what cannot be drafted", () => {
  test("32 bits, and its place is in use", () => {
    const free = [{ start: 0x1001000n, end: 0x40000000n }];
    const { code, message, hint } = refusal(() => drafted({ bits: 32 }, { free }));
    expect<string[]>([code, message]).toEqual([
      "plan.not-ram",
      "Invalid memory segment 0x1000000 - 0x141ffff",
    ]);
    expect(hint).toContain("as its ELF headers say");
  });

  test("64 bits, and no room from its own address up", () => {
    const free = [{ start: 0x100000n, end: 0x1400000n }];
    expect(refusal(() => drafted({}, { free })).code).toBe("plan.no-room");
  });
});
