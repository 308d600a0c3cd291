/**
 * bzImage64: a compressed x86 Linux kernel, entered in 64-bit mode. Boot protocol 2.12 and later.
 *
 * bzimage.ts has the 32-bit entry of the same files, bzimage-real-mode.ts the 16-bit entry.
 * [x86-boot] "64-bit Boot Protocol"
 */

import { ADDRESS_END, hex } from "../../../core/address.ts";
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
import { purgatoryPlace } from "../layout.ts";
import { protectedModeImage } from "./bzimage.ts";
import {
  type CompressedKernel,
  checkAlignment,
  checkLength,
  commandLineLimit,
  draftAround,
  placeKernel,
  protectedModeCode,
  whyNotTreeByFile,
} from "./bzimage-parts.ts";
import { realModeImage } from "./bzimage-real-mode.ts";
import { hasSetupHeader, readKernel, VERSION_XLOADFLAGS, whyNot64 } from "./bzimage-versions.ts";
import { whyNotInThisPaging } from "./paging-mode.ts";
import { draftUnpacked, payloadOf } from "./place-unpacked.ts";

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

/** @throws KexecError `image.truncated` where the file ends before the 64-bit entry */
function checkEntry(kernel: CompressedKernel): void {
  const { length } = protectedModeCode(kernel);
  if (length > ENTRY_64) return;
  failImage({
    code: "image.truncated",
    message:
      `the file is cut short: its kernel has ${length} bytes, ` +
      `the 64-bit entry is at offset ${hex(ENTRY_64)} of it`,
  });
}

function draft(context: PlanContext, kernel: CompressedKernel): DraftPlan {
  const { unpacked } = context.inputs;
  if (unpacked !== undefined) return draftUnpacked(context, kernel, unpacked);
  // XLF_CAN_BE_LOADED_ABOVE_4G holds for everything that the kernel reads before it has its own
  // page tables.
  const max = ADDRESS_END;
  const segment = placeKernel(context, kernel, max);
  return draftAround(context, kernel, {
    segment,
    initrdLimit: { max, why: "; this kernel accepts an initrd above 4 GiB" },
    bootParamsMax: max,
    entryState: { arch: "x86_64", mode: 64, rip: segment.start + ENTRY_64 },
  });
}

function longModeImage(
  kernel: CompressedKernel,
  loader: LoaderRequest,
  facts: HostFacts | null,
): Image {
  const { header } = kernel;
  checkLength(kernel);
  checkEntry(kernel);
  checkAlignment(header);
  return {
    match: true,
    type: "bzImage64",
    options: OPTIONS,
    commandLineLimit: commandLineLimit(header),
    takesEfi: takesEfi(header.xloadflags, facts),
    memorySize: BigInt(header.init_size),
    whyNotByFile: whyNotTreeByFile(loader),
    purgatory: purgatoryPlace(64),
    payload: (commandLine) => payloadOf(kernel, facts, commandLine),
    draft: (context) => draft(context, kernel),
  };
}

/** An image that is entered in front of its decompressor in another mode. */
const unpackingItself = (image: Image, mode: string): Image => ({
  ...image,
  payload: () => ({ asItIs: `it is entered in ${mode}` }),
});

/** Why the 32-bit entry is used where no option asks for it. */
function noted(entered: Image, { entry32Bit }: LoaderRequest, why: string | null): Image {
  const image = unpackingItself(entered, "32-bit mode");
  if (entry32Bit || why === null) return image;
  return {
    ...image,
    draft(context) {
      const plan = image.draft(context);
      return { ...plan, notes: [`the kernel is entered in 32-bit mode: ${why}`, ...plan.notes] };
    },
  };
}

export const bzImage64: ImageType = {
  name: "bzImage64",
  options: OPTIONS,
  mayBegin: hasSetupHeader,
  parse(file, loader, facts) {
    const kernel = readKernel(file, VERSION_XLOADFLAGS);
    if ("match" in kernel) return kernel;
    const why = whyNot64(kernel.header);
    if (why !== null) return notMine(why);
    if (loader.realMode) return unpackingItself(realModeImage(kernel), "real mode");
    const whyNotHere = whyNotInThisPaging(kernel.header, facts ?? null);
    if (loader.entry32Bit || whyNotHere !== null) {
      return noted(protectedModeImage(kernel, loader, facts ?? null), loader, whyNotHere);
    }
    return longModeImage(kernel, loader, facts ?? null);
  },
};
