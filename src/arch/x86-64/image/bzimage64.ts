/**
 * bzImage64: a compressed x86 Linux kernel, entered in 64-bit mode. Boot protocol 2.12 and later.
 *
 * bzimage.ts has the 32-bit entry of the same files, bzimage-real-mode.ts the 16-bit entry.
 * [x86-boot] "64-bit Boot Protocol"
 */

import { ADDRESS_END } from "../../../core/address.ts";
import { failImage } from "../../../core/error.ts";
import { LINUX_OPTIONS } from "../../../image/linux-options.ts";
import {
  type DraftPlan,
  type Image,
  type ImageType,
  notMine,
  type PlanContext,
} from "../../../model/image-type.ts";
import type { LoaderRequest } from "../../../model/request.ts";
import {
  type SetupHeader,
  XLF_CAN_BE_LOADED_ABOVE_4G,
  XLF_EFI_KEXEC,
  XLF_KERNEL_64,
} from "../handoff/setup-header.ts";
import { PROTECTED_MODE_END, purgatoryPlace } from "../layout.ts";
import { protectedModeImage } from "./bzimage.ts";
import {
  type CompressedKernel,
  checkAlignment,
  checkLength,
  commandLineLimit,
  draftAround,
  initrdLimit,
  placeKernel,
  whyNotTreeByFile,
} from "./bzimage-parts.ts";
import { realModeImage } from "./bzimage-real-mode.ts";
import { isZImage, readKernel, VERSION_XLOADFLAGS } from "./bzimage-versions.ts";

/** The offset of the 64-bit entry point in the loaded kernel, in bytes. [x86-boot] */
const ENTRY_64 = 0x200n;

const OPTIONS = [
  "entry-32bit",
  // The default; callers give it for every kernel.
  "args-linux",
  "real-mode",
  ...LINUX_OPTIONS,
  "dtb",
];

function checkNumbers(header: SetupHeader): void {
  const { init_size, relocatable_kernel } = header;
  if (relocatable_kernel === 0) {
    failImage({
      code: "image.header",
      message: "the kernel is not relocatable (0 at offset 0x234)",
    });
  }
  checkAlignment(header);
  if (init_size === 0) {
    failImage({
      code: "image.header",
      message: "init_size at 0x260 is 0, so the memory that the kernel needs is not known",
    });
  }
}

function draft(context: PlanContext, kernel: CompressedKernel): DraftPlan {
  const { header } = kernel;
  const above4G = (header.xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G) !== 0;
  // Everything that the kernel reads before it has its own page tables must lie below this.
  const max = above4G ? ADDRESS_END : PROTECTED_MODE_END;
  const segment = placeKernel(context, kernel, max);
  return draftAround(context, kernel, {
    segment,
    initrdLimit: above4G
      ? { max, why: "; this kernel accepts an initrd above 4 GiB" }
      : initrdLimit(header),
    bootParamsMax: max,
    entryState: { arch: "x86_64", mode: 64, rip: segment.start + ENTRY_64 },
  });
}

function longModeImage(kernel: CompressedKernel, loader: LoaderRequest): Image {
  const { header } = kernel;
  checkLength(kernel);
  checkNumbers(header);
  return {
    match: true,
    type: "bzImage64",
    options: OPTIONS,
    commandLineLimit: commandLineLimit(header),
    takesEfi: (header.xloadflags & XLF_EFI_KEXEC) !== 0,
    memorySize: BigInt(header.init_size),
    whyNotByFile: whyNotTreeByFile(loader),
    purgatory: purgatoryPlace(64),
    draft: (context) => draft(context, kernel),
  };
}

export const bzImage64: ImageType = {
  name: "bzImage64",
  options: OPTIONS,
  parse(file, loader) {
    const kernel = readKernel(file, VERSION_XLOADFLAGS);
    if ("match" in kernel) return kernel;
    const { header } = kernel;
    if ((header.xloadflags & XLF_KERNEL_64) === 0) {
      return notMine("no 64-bit entry: XLF_KERNEL_64 is not set at 0x236");
    }
    if (isZImage(header)) return notMine("a zImage: LOADED_HIGH is not set at 0x211");
    if (loader.realMode) return realModeImage(kernel);
    return loader.entry32Bit ? protectedModeImage(kernel, loader) : longModeImage(kernel, loader);
  },
};
