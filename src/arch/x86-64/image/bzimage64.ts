/**
 * bzImage64: a compressed x86 Linux kernel, entered in 64-bit mode. Boot protocol 2.12 and later.
 *
 * It does not do the 32-bit and the real-mode entry of the same files (type "bzImage").
 * [x86-boot] "64-bit Boot Protocol"
 */

import { ADDRESS_END, GIB } from "../../../core/address.ts";
import { fail } from "../../../core/error.ts";
import { LINUX_OPTIONS } from "../../../image/linux-options.ts";
import type { DraftPlan, ImageType, PlanContext, Probe } from "../../../model/image-type.ts";
import {
  readSetupHeader,
  type SetupHeader,
  XLF_CAN_BE_LOADED_ABOVE_4G,
  XLF_EFI_KEXEC,
  XLF_KERNEL_64,
} from "../handoff/setup-header.ts";
import { bzImage } from "./bzimage.ts";
import {
  checkAlignment,
  checkCommandLine,
  checkLength,
  draftAround,
  initrdLimit,
  no,
  placeKernel,
  probeKernel,
  whyNotTreeByFile,
} from "./bzimage-parts.ts";
import { bzImageRealMode } from "./bzimage-real-mode.ts";
import { isZImage } from "./bzimage-versions.ts";

/** Protocol 2.12 brought `xloadflags`. */
const OLDEST_VERSION = 0x020c;
/** Where 64-bit code is entered, from the start of the loaded kernel. [x86-boot] */
const ENTRY_64 = 0x200n;

function probe(image: Uint8Array): Probe {
  const common = probeKernel(image, OLDEST_VERSION);
  if (!common.match) return common;
  if ((readSetupHeader(image).xloadflags & XLF_KERNEL_64) === 0) {
    return no("no 64-bit entry: XLF_KERNEL_64 is not set at 0x236");
  }
  if (isZImage(readSetupHeader(image))) return no("a zImage: LOADED_HIGH is not set at 0x211");
  return common;
}

function checkNumbers(header: SetupHeader): void {
  const { init_size, relocatable_kernel } = header;
  if (relocatable_kernel === 0) {
    fail({ code: "image.header", message: "the kernel is not relocatable (0 at offset 0x234)" });
  }
  checkAlignment(header);
  if (init_size === 0) {
    fail({ code: "image.header", message: "init_size at 0x260 is 0: how much memory is needed?" });
  }
}

function mayLieAbove4G({ xloadflags }: SetupHeader): boolean {
  return (xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G) !== 0;
}

/** One past the highest address for what the kernel reads before it has its own page tables. */
function highest(header: SetupHeader): bigint {
  return mayLieAbove4G(header) ? ADDRESS_END : 4n * GIB;
}

function draft(context: PlanContext): DraftPlan {
  const header = readSetupHeader(context.inputs.kernel.bytes);
  const max = highest(header);
  const kernel = placeKernel(context, header, max);
  return draftAround(context, {
    kernel,
    initrdLimit: mayLieAbove4G(header)
      ? { max, why: "; this kernel takes it above 4 GiB too" }
      : initrdLimit(header),
    bootParamsMax: max,
    entryState: { rip: kernel.start + ENTRY_64 },
  });
}

export const bzImage64: ImageType = {
  name: "bzImage64",
  architectures: ["x86_64"],
  options: [
    "entry-32bit",
    // What it gets anyway; callers say it for every kernel.
    "args-linux",
    "real-mode",
    ...LINUX_OPTIONS,
    "dtb",
  ],
  probe,
  check(image, commandLine) {
    const header = readSetupHeader(image);
    checkLength(image, header);
    checkNumbers(header);
    checkCommandLine(commandLine, header);
  },
  instead: ({ entry32Bit, realMode }) => {
    if (realMode) return bzImageRealMode;
    return entry32Bit ? bzImage : null;
  },
  whyNotByFile: whyNotTreeByFile,
  memorySize: (image) => BigInt(readSetupHeader(image).init_size),
  takesEfi: (image) => (readSetupHeader(image).xloadflags & XLF_EFI_KEXEC) !== 0,
  draft,
};
