/**
 * bzImage: a compressed x86 Linux kernel, 32 or 64-bit, entered in 32-bit mode. With `--real-mode`
 * bzimage-real-mode.ts loads it, and always zImages and kernels before boot protocol 2.02.
 * [x86-boot] "32-bit Boot Protocol"
 */

import { failImage } from "../../../core/error.ts";
import { LINUX_OPTIONS } from "../../../image/linux-options.ts";
import type { HostFacts } from "../../../model/host-facts.ts";
import {
  type DraftPlan,
  type Image,
  type ImageType,
  notMine,
  type PlanContext,
} from "../../../model/image-type.ts";
import type { LoaderRequest } from "../../../model/request.ts";
import { takesEfi } from "../handoff/efi-info.ts";
import type { SetupHeader } from "../handoff/setup-header.ts";
import { LOW_MEMORY_END, PROTECTED_MODE_END, purgatoryPlace } from "../layout.ts";
import {
  type CompressedKernel,
  checkAlignment,
  checkLength,
  commandLineLimit,
  draftAround,
  initrdLimit,
  whyNotTreeByFile,
} from "./bzimage-parts.ts";
import { realModeImage } from "./bzimage-real-mode.ts";
import {
  checkDeviceTree,
  hasSetupHeader,
  isRelocatable,
  isZImage,
  placeVersioned,
  readKernel,
  VERSION_CMD_LINE_PTR,
  VERSION_OLDEST,
  whyNot64,
} from "./bzimage-versions.ts";
import { fiveLevelPaging, whyNotInThisPaging } from "./paging-mode.ts";

/** @throws ImageError `image.crash` for a kernel that would overwrite the crashed one's memory */
function checkPurpose({ capture }: PlanContext, header: SetupHeader): void {
  if (!capture || isRelocatable(header)) return;
  failImage({
    code: "image.crash",
    message: "BzImage is not relocatable. Can't be used as capture kernel.",
    hint: "relocatable_kernel at offset 0x234 is 0: build the kernel with CONFIG_RELOCATABLE.",
  });
}

function draft(context: PlanContext, kernel: CompressedKernel): DraftPlan {
  const { header } = kernel;
  checkPurpose(context, header);
  checkDeviceTree(context, header);
  const segment = placeVersioned(context, kernel);
  // Without init_size it is not known how much memory the kernel overwrites as it unpacks itself.
  const unknown = header.init_size === 0 && !context.capture;
  return draftAround(context, kernel, {
    segment,
    initrdLimit: initrdLimit(header),
    bootParamsMax: unknown ? LOW_MEMORY_END : PROTECTED_MODE_END,
    entryState: { arch: "x86_64", mode: 32, rip: segment.start },
  });
}

/** Whether the 32-bit entry is the only one that takes a zero page. */
function needsRealMode(header: SetupHeader): boolean {
  return header.version < VERSION_CMD_LINE_PTR || isZImage(header);
}

const OPTIONS = [
  "entry-32bit",
  // The default; callers give it for every kernel.
  "args-linux",
  ...LINUX_OPTIONS,
  "real-mode",
  "dtb",
];

function whyNotByFile(
  { header }: CompressedKernel,
  loader: LoaderRequest,
  facts: HostFacts | null,
): string | null {
  const enters64 = "kexec_file_load enters kernels in 64-bit mode";
  if (loader.entry32Bit) return `${enters64}, not at the 32-bit entry`;
  const why = whyNot64(header);
  if (why !== null) return `${enters64}, wherever they lie: ${why}`;
  // Where it is not known the kernel itself knows, and refuses.
  const isHere = facts === null || fiveLevelPaging(facts) === null;
  const whyHere = isHere ? null : whyNotInThisPaging(header, facts);
  return whyHere === null ? whyNotTreeByFile(loader) : `${enters64}: ${whyHere}`;
}

/** A kernel that is entered in 32-bit mode. @throws KexecError `image.*` */
export function protectedModeImage(
  kernel: CompressedKernel,
  loader: LoaderRequest,
  facts: HostFacts | null,
): Image {
  const { file, header } = kernel;
  checkLength(kernel);
  if (isRelocatable(header)) checkAlignment(header);
  return {
    match: true,
    type: "bzImage",
    options: OPTIONS,
    commandLineLimit: commandLineLimit(header),
    takesEfi: takesEfi(header.xloadflags, facts),
    memorySize: BigInt(file.length),
    whyNotByFile: whyNotByFile(kernel, loader, facts),
    purgatory: purgatoryPlace(32),
    draft: (context) => draft(context, kernel),
  };
}

export const bzImage: ImageType = {
  name: "bzImage",
  options: OPTIONS,
  mayBegin: hasSetupHeader,
  parse(file, loader, facts) {
    const kernel = readKernel(file, VERSION_OLDEST);
    if ("match" in kernel) return kernel;
    const { header } = kernel;
    if (isZImage(header) && isRelocatable(header)) {
      return notMine("LOADED_HIGH is not set at 0x211, but relocatable_kernel is at 0x234");
    }
    return loader.realMode || needsRealMode(header)
      ? realModeImage(kernel)
      : protectedModeImage(kernel, loader, facts ?? null);
  },
};
