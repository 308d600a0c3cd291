/**
 * bzImage: a compressed x86 Linux kernel, 32 or 64-bit, entered in 32-bit mode. With `--real-mode`
 * bzimage-real-mode.ts loads it, and always zImages and kernels before boot protocol 2.02.
 * [x86-boot] "32-bit Boot Protocol"
 */

import { GIB, KIB } from "../../../core/address.ts";
import { fail } from "../../../core/error.ts";
import { LINUX_OPTIONS } from "../../../image/linux-options.ts";
import type { DraftPlan, ImageType, PlanContext } from "../../../model/image-type.ts";
import { readSetupHeader, type SetupHeader, XLF_EFI_KEXEC } from "../handoff/setup-header.ts";
import {
  checkAlignment,
  checkCommandLine,
  checkLength,
  draftAround,
  initrdLimit,
  whyNotTreeByFile,
} from "./bzimage-parts.ts";
import { bzImageRealMode } from "./bzimage-real-mode.ts";
import {
  checkDeviceTree,
  isRelocatable,
  isZImage,
  placeVersioned,
  probeVersioned,
  VERSION_CMD_LINE_PTR,
  versionedHeader,
} from "./bzimage-versions.ts";

/** @throws KexecError `image.crash` for a kernel that would overwrite what it is to save */
function checkPurpose({ capture }: PlanContext, header: SetupHeader): void {
  if (!capture || isRelocatable(header)) return;
  fail({
    code: "image.crash",
    message: "BzImage is not relocatable. Can't be used as capture kernel.",
    hint: "relocatable_kernel at offset 0x234 is 0: build the kernel with CONFIG_RELOCATABLE.",
  });
}

function draft(context: PlanContext): DraftPlan {
  const header = versionedHeader(context.inputs.kernel.bytes);
  checkPurpose(context, header);
  checkDeviceTree(context, header);
  const kernel = placeVersioned(context, header);
  // Without init_size nobody knows how much above the kernel it overwrites as it unpacks itself.
  const unknown = header.init_size === 0 && !context.capture;
  return draftAround(context, {
    kernel,
    initrdLimit: initrdLimit(header),
    bootParamsMax: unknown ? 640n * KIB : 4n * GIB,
    entryState: { mode: 32, rip: kernel.start },
  });
}

/** They have no other entry that a zero page belongs to. */
function needsRealMode(image: Uint8Array): boolean {
  const header = versionedHeader(image);
  return header.version < VERSION_CMD_LINE_PTR || isZImage(header);
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
  probe: probeVersioned,
  check(image, commandLine) {
    const header = versionedHeader(image);
    checkLength(image, header);
    if (isRelocatable(header)) checkAlignment(header);
    checkCommandLine(commandLine, header);
  },
  instead: ({ realMode }, image) => (realMode || needsRealMode(image) ? bzImageRealMode : null),
  takesEfi: (image) => (readSetupHeader(image).xloadflags & XLF_EFI_KEXEC) !== 0,
  entryBits: 32,
  whyNotByFile(loader) {
    if (!loader.entry32Bit) return whyNotTreeByFile(loader);
    return "kexec_file_load enters kernels in 64-bit mode, not at the 32-bit entry";
  },
  draft,
};
