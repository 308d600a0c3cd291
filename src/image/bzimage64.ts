/**
 * bzImage64: a compressed x86 Linux kernel, entered in 64-bit mode. Boot protocol 2.12 and later.
 *
 * It does not do the 32-bit and the real-mode entry of the same files (type "bzImage").
 * [x86-boot] "64-bit Boot Protocol"
 */

import { ADDRESS_END, alignUp, GIB, hex, isPowerOfTwo, MIB } from "../core/address.ts";
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
import type { Segment } from "../model/load-plan.ts";
import { placeBootParams } from "./linux-boot-params.ts";

const SECTOR = 512;
/** Protocol 2.12 brought `xloadflags`. */
const OLDEST_VERSION = 0x020c;
/** What `setup_sects` 0 means. [x86-boot] 0x1f1 */
const DEFAULT_SETUP_SECTS = 4;
/** `syssize` counts paragraphs of 16 bytes. [x86-boot] 0x1f4 */
const PARAGRAPH = 16;
/** Where 64-bit code is entered, from the start of the loaded kernel. [x86-boot] */
const ENTRY_64 = 0x200n;
/** Below 1 MiB lies what firmware left; the kernel itself must not. */
const LOWEST_KERNEL = MIB;
/** Page tables and real-mode trampolines of the next kernel are below it. */
const LOWEST_INITRD = 16n * MIB;

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

/** Bytes of boot sector and real-mode code in front of the 64-bit kernel. */
function setupSize({ setup_sects }: SetupHeader): number {
  return ((setup_sects === 0 ? DEFAULT_SETUP_SECTS : setup_sects) + 1) * SECTOR;
}

function checkLength(image: Uint8Array, header: SetupHeader): void {
  const setup = setupSize(header);
  const needed = setup + header.syssize * PARAGRAPH;
  if (image.length >= needed) return;
  fail({
    code: "image.truncated",
    message:
      `the file is cut short: it has ${image.length} bytes, its header asks for ${needed} ` +
      `(setup_sects ${header.setup_sects} at 0x1f1, syssize ${hex(header.syssize)} at 0x1f4)`,
    hint: "Copy or build the kernel again, and compare its size.",
  });
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

/** `cmdline_size` does not count the NUL, but Linux's own loader does; so no loader differs
 * here. */
function checkCommandLine(commandLine: string | null, header: SetupHeader): void {
  const length = (commandLine ?? "").length;
  if (length + 1 <= header.cmdline_size) return;
  fail({
    code: "image.command-line",
    message:
      `the command line has ${length} bytes, this kernel takes at most ` +
      `${header.cmdline_size - 1} (cmdline_size at 0x238)`,
  });
}

function mayLieAbove4G({ xloadflags }: SetupHeader): boolean {
  return (xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G) !== 0;
}

/** One past the highest address for what the kernel reads before it has its own page tables. */
function highest(header: SetupHeader): bigint {
  return mayLieAbove4G(header) ? ADDRESS_END : 4n * GIB;
}

function placeKernel(context: PlanContext, header: SetupHeader): Segment {
  const code = context.inputs.kernel.bytes.subarray(setupSize(header));
  const size = alignUp(
    BigInt(Math.max(header.init_size, code.length)),
    BigInt(context.facts.pageSize),
  );
  const min = header.pref_address > LOWEST_KERNEL ? header.pref_address : LOWEST_KERNEL;
  const alignment = BigInt(header.kernel_alignment);
  const start = context.place({
    role: "kernel",
    size,
    alignment,
    min,
    max: highest(header),
    from: "top",
  });
  return {
    role: "kernel",
    start,
    size,
    bytes: code,
    sha256: null,
    reason:
      `the highest place with init_size ${hex(header.init_size)} bytes, a multiple of ` +
      `kernel_alignment ${hex(alignment)}, not below pref_address ${hex(header.pref_address)}`,
  };
}

function placeInitrd(context: PlanContext, header: SetupHeader): Segment | null {
  const { initrd } = context.inputs;
  if (initrd === null || initrd.bytes.length === 0) return null;
  const size = alignUp(BigInt(initrd.bytes.length), BigInt(context.facts.pageSize));
  const above4G = mayLieAbove4G(header);
  const max = above4G ? ADDRESS_END : BigInt(header.initrd_addr_max) + 1n;
  const start = context.place({
    role: "initrd",
    size,
    alignment: 1n,
    min: LOWEST_INITRD,
    max,
    from: "top",
  });
  const limit = above4G
    ? "this kernel takes it above 4 GiB too"
    : `not above initrd_addr_max ${hex(header.initrd_addr_max)}`;
  return {
    role: "initrd",
    start,
    size,
    bytes: initrd.bytes,
    sha256: null,
    reason: `the highest place that is free; ${limit}`,
  };
}

function draft(context: PlanContext): DraftPlan {
  const header = readSetupHeader(context.inputs.kernel.bytes);
  const kernel = placeKernel(context, header);
  const initrd = placeInitrd(context, header);
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
  takesEfi: (image) => (readSetupHeader(image).xloadflags & XLF_EFI_KEXEC) !== 0,
  draft,
};
