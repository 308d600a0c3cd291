/**
 * bzImage64: a compressed x86 Linux kernel, entered in 64-bit mode. Boot protocol 2.12 and later.
 *
 * It does not do the 32-bit and the real-mode entry of the same files (type "bzImage").
 * [x86-boot] "64-bit Boot Protocol"
 */

import { ADDRESS_END, GIB, hex, isPowerOfTwo } from "../core/address.ts";
import { fail } from "../core/error.ts";
import {
  BOOT_FLAG,
  HEADER_MAGIC,
  LOADED_HIGH,
  readSetupHeader,
  SetupHeader,
  showVersion,
  XLF_CAN_BE_LOADED_ABOVE_4G,
  XLF_EFI_KEXEC,
  XLF_KERNEL_64,
} from "../handoff/setup-header.ts";
import type { DraftPlan, ImageType, PlanContext, Probe } from "../model/image-type.ts";
import { bzImage } from "./bzimage.ts";
import {
  checkCommandLine,
  checkLength,
  type InitrdLimit,
  placeInitrd,
  placeKernel,
  SECTOR,
} from "./bzimage-parts.ts";
import { placeBootParams } from "./linux-boot-params.ts";

/** Protocol 2.12 brought `xloadflags`. */
const OLDEST_VERSION = 0x020c;
/** Where 64-bit code is entered, from the start of the loaded kernel. [x86-boot] */
const ENTRY_64 = 0x200n;

const no = (why: string): Probe => ({ match: false, why });

function probe(image: Uint8Array): Probe {
  if (image.length < 2 * SECTOR) return no(`${image.length} bytes are too few for a boot sector`);
  const { header: magic, boot_flag, version } = SetupHeader.read(image);
  if (magic !== HEADER_MAGIC) return no('no "HdrS" at offset 0x202');
  if (boot_flag !== BOOT_FLAG) return no("no 0xaa55 at offset 0x1fe");
  if (version < OLDEST_VERSION) {
    return no(`boot protocol ${showVersion(version)} at offset 0x206, 2.12 or newer is needed`);
  }
  const header = readSetupHeader(image);
  if ((header.loadflags & LOADED_HIGH) === 0)
    return no("a zImage: LOADED_HIGH is not set at 0x211");
  if ((header.xloadflags & XLF_KERNEL_64) === 0) {
    return no("no 64-bit entry: XLF_KERNEL_64 is not set at 0x236");
  }
  return { match: true };
}

function checkNumbers(header: SetupHeader): void {
  const { kernel_alignment, init_size, relocatable_kernel } = header;
  if (relocatable_kernel === 0) {
    fail({ code: "image.header", message: "the kernel is not relocatable (0 at offset 0x234)" });
  }
  if (!isPowerOfTwo(BigInt(kernel_alignment))) {
    fail({
      code: "image.header",
      message: `kernel_alignment ${hex(kernel_alignment)} at 0x230 is not a power of two`,
    });
  }
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

function initrdLimit(header: SetupHeader): InitrdLimit {
  if (mayLieAbove4G(header)) {
    return { max: ADDRESS_END, why: "this kernel takes it above 4 GiB too" };
  }
  const { initrd_addr_max } = header;
  return {
    max: BigInt(initrd_addr_max) + 1n,
    why: `not above initrd_addr_max ${hex(initrd_addr_max)}`,
  };
}

function draft(context: PlanContext): DraftPlan {
  const header = readSetupHeader(context.inputs.kernel.bytes);
  const kernel = placeKernel(context, header, highest(header));
  const initrd = placeInitrd(context, initrdLimit(header));
  const bootParams = placeBootParams(context, {
    image: context.inputs.kernel.bytes,
    initrd,
    max: highest(header),
  });
  return {
    segments: [kernel, ...(initrd === null ? [] : [initrd]), bootParams.segment],
    entryState: { rip: kernel.start + ENTRY_64, rsi: bootParams.segment.start },
    commandLine: context.commandLine ?? "",
    notes: bootParams.notes,
  };
}

export const bzImage64: ImageType = {
  name: "bzImage64",
  architectures: ["x86_64"],
  options: [
    "entry-32bit",
    // What it gets anyway; callers say it for every kernel.
    "args-linux",
    "real-mode",
    "command-line",
    "append",
    "reuse-cmdline",
    "initrd",
    "ramdisk",
  ],
  probe,
  check(image, commandLine) {
    const header = readSetupHeader(image);
    checkLength(image, header);
    checkNumbers(header);
    checkCommandLine(commandLine, header);
  },
  instead: ({ entry32Bit }) => (entry32Bit ? bzImage : null),
  whyNotByFile: ({ entry32Bit }) =>
    entry32Bit
      ? "kexec_file_load enters kernels in 64-bit mode, and not at the 32-bit entry"
      : null,
  takesEfi: (image) => (readSetupHeader(image).xloadflags & XLF_EFI_KEXEC) !== 0,
  draft,
};
