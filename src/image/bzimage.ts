/**
 * bzImage: a compressed x86 Linux kernel, 32 or 64-bit, entered in 32-bit mode. Boot protocol 2.02
 * and later.
 *
 * It does not do the real-mode entry, and no zImage. [x86-boot] "32-bit Boot Protocol"
 */

import { alignUp, GIB, KIB, MIB } from "../core/address.ts";
import { fail } from "../core/error.ts";
import {
  readSetupHeader,
  type SetupHeader,
  showVersion,
  XLF_EFI_KEXEC,
  XLF_KERNEL_64,
} from "../handoff/setup-header.ts";
import type { DraftPlan, ImageType, PlanContext } from "../model/image-type.ts";
import type { Segment } from "../model/load-plan.ts";
import {
  checkAlignment,
  checkCommandLine,
  checkLength,
  draftAround,
  initrdLimit,
  placeKernel,
  probeKernel,
  setupSize,
} from "./bzimage-parts.ts";
import { LINUX_OPTIONS } from "./linux-options.ts";

/** 2.02 brought the command line that may lie anywhere; later versions what the names say. */
const OLDEST_VERSION = 0x0202;
const VERSION_INITRD_ADDR_MAX = 0x0203;
const VERSION_RELOCATABLE = 0x0205;
const VERSION_CMDLINE_SIZE = 0x0206;
const VERSION_SETUP_DATA = 0x0209;
const VERSION_INIT_SIZE = 0x020a;
/** Where a kernel lies that cannot be moved. [x86-boot] "Loading The Rest of The Kernel" */
const FIXED_PLACE = MIB;
/** What a 32-bit kernel maps of memory, and so can be given, if it does not say more itself. */
const LOW_MEMORY_END = 0x3800_0000n;
/** The longest command line that a kernel takes which does not say. [x86-boot] */
const OLD_CMDLINE_SIZE = 255;

function isRelocatable({ version, relocatable_kernel }: SetupHeader): boolean {
  return version >= VERSION_RELOCATABLE && relocatable_kernel !== 0;
}

/** The header, with what its version does not say. */
function headerOf(image: Uint8Array): SetupHeader {
  const header = readSetupHeader(image);
  const { version } = header;
  return {
    ...header,
    initrd_addr_max:
      version >= VERSION_INITRD_ADDR_MAX ? header.initrd_addr_max : Number(LOW_MEMORY_END - 1n),
    cmdline_size: version >= VERSION_CMDLINE_SIZE ? header.cmdline_size : OLD_CMDLINE_SIZE,
    init_size: version >= VERSION_INIT_SIZE ? header.init_size : 0,
    pref_address: version >= VERSION_INIT_SIZE ? header.pref_address : 0n,
  };
}

/** A 64-bit kernel maps 4 GiB itself at this entry. */
function kernelEnd({ xloadflags }: SetupHeader): bigint {
  return (xloadflags & XLF_KERNEL_64) !== 0 ? 4n * GIB : LOW_MEMORY_END;
}

function placeFixed(context: PlanContext, header: SetupHeader): Segment {
  const bytes = context.inputs.kernel.bytes.subarray(setupSize(header));
  const needed = BigInt(Math.max(header.init_size, bytes.length));
  const size = alignUp(needed, BigInt(context.facts.pageSize));
  const [min, max] = [FIXED_PLACE, FIXED_PLACE + size];
  const start = context.place({ role: "kernel", size, alignment: 1n, min, max, from: "bottom" });
  const reason = "the kernel is not relocatable (0x234): it runs at 1 MiB only";
  return { role: "kernel", start, size, bytes, sha256: null, reason };
}

/** @throws KexecError `image.crash` for a kernel that would overwrite what it is to save */
function checkPurpose({ purpose }: PlanContext, header: SetupHeader): void {
  if (purpose !== "crash" || isRelocatable(header)) return;
  fail({
    code: "image.crash",
    message: "BzImage is not relocatable. Can't be used as capture kernel.",
    hint: "relocatable_kernel at offset 0x234 is 0: build the kernel with CONFIG_RELOCATABLE.",
  });
}

function checkDeviceTree({ inputs }: PlanContext, { version }: SetupHeader): void {
  if (inputs.dtb === null || version >= VERSION_SETUP_DATA) return;
  fail({
    code: "image.dtb",
    message:
      `the kernel speaks boot protocol ${showVersion(version)}; ` +
      `${showVersion(VERSION_SETUP_DATA)} is needed to tell it of a device tree`,
  });
}

function draft(context: PlanContext): DraftPlan {
  const header = headerOf(context.inputs.kernel.bytes);
  checkPurpose(context, header);
  checkDeviceTree(context, header);
  const kernel = isRelocatable(header)
    ? placeKernel(context, header, kernelEnd(header))
    : placeFixed(context, header);
  // Without init_size nobody knows how much above the kernel it overwrites as it unpacks itself.
  const unknown = header.init_size === 0 && context.purpose !== "crash";
  return draftAround(context, {
    kernel,
    initrdLimit: initrdLimit(header),
    bootParamsMax: unknown ? 640n * KIB : 4n * GIB,
    entryState: { mode: 32, rip: kernel.start },
  });
}

export const bzImage: ImageType = {
  name: "bzImage",
  architectures: ["x86_64"],
  options: [
    "entry-32bit",
    // What it gets anyway; callers say it for every kernel.
    "args-linux",
    ...LINUX_OPTIONS,
    "real-mode",
    "dtb",
  ],
  probe: (image) => probeKernel(image, OLDEST_VERSION),
  check(image, commandLine) {
    const header = headerOf(image);
    checkLength(image, header);
    if (isRelocatable(header)) checkAlignment(header);
    checkCommandLine(commandLine, header);
  },
  takesEfi: (image) => (readSetupHeader(image).xloadflags & XLF_EFI_KEXEC) !== 0,
  entryBits: 32,
  whyNotByFile({ entry32Bit, dtb }) {
    if (entry32Bit) return "kexec_file_load enters kernels in 64-bit mode, not at the 32-bit entry";
    return dtb === null ? null : "kexec_file_load takes no device tree on this architecture";
  },
  draft,
};
