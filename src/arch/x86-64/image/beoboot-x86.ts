/**
 * beoboot-x86: the files with which BProc clusters boot their nodes: a header, a command line, a
 * Linux kernel and an initrd. [kexec-tools include/boot/beoboot.h]
 */

import { hex, humanSize } from "../../../core/address.ts";
import { textUntilNul } from "../../../core/bytes.ts";
import { failImage } from "../../../core/error.ts";
import { defineStruct, u8, u16, u32 } from "../../../core/struct.ts";
import { containerType } from "../../../image/container.ts";
import { LINUX_OPTIONS } from "../../../image/linux-options.ts";
import type { Container, ContainerParts } from "../../../model/container.ts";

/** "BeoB" read as a little-endian number. */
const MAGIC = 0x426f6542;
const ARCH_X86 = 1;
const HAS_INITRD = 1;

const Header = defineStruct("beoboot header", 16, {
  magic: u32(0),
  arch: u8(4),
  flags: u8(5),
  /** In bytes, like the other sizes; the NUL counts. */
  cmdline_size: u16(6),
  kernel_size: u32(8),
  initrd_size: u32(12),
});

/** Why a file is not a beoboot image; null: it is one. */
function whyNot(image: Uint8Array): string | null {
  if (image.length < Header.size) return "too short for a beoboot header";
  const { magic, arch } = Header.read(image);
  if (magic !== MAGIC) return 'no "BeoB" at the start';
  return arch === ARCH_X86 ? null : `a beoboot image for architecture ${arch} at offset 4`;
}

function read(image: Uint8Array): ContainerParts {
  const { flags, cmdline_size, kernel_size, initrd_size } = Header.read(image);
  const kernelAt = Header.size + cmdline_size;
  const initrdAt = kernelAt + kernel_size;
  const hasInitrd = (flags & HAS_INITRD) !== 0;
  const needed = initrdAt + (hasInitrd ? initrd_size : 0);
  if (image.length < needed) {
    failImage({
      code: "image.beoboot",
      message:
        `the file is cut short: it has ${image.length} bytes, but its header requires ${needed} ` +
        `(kernel_size ${hex(kernel_size)} at 8, initrd_size ${hex(initrd_size)} at 12)`,
    });
  }
  const commandLine = textUntilNul(image.subarray(Header.size, kernelAt));
  const initrd = hasInitrd && initrd_size > 0 ? image.subarray(initrdAt, needed) : null;
  const initrdNote = initrd === null ? "no initrd" : `initrd ${humanSize(initrd_size)}`;
  return {
    kernel: image.subarray(kernelAt, initrdAt),
    initrd,
    commandLine: cmdline_size === 0 ? null : commandLine,
    deviceTree: null,
    notes: [`beoboot: kernel ${humanSize(kernel_size)}, ${initrdNote}`],
  };
}

export const beoboot: Container = {
  type: containerType("a beoboot image", {
    name: "beoboot-x86",
    options: ["real-mode", ...LINUX_OPTIONS],
    mayBegin: (start) => whyNot(start) === null,
    whyNot,
  }),
  whyNot,
  read,
};
