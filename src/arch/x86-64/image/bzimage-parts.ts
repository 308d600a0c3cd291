/** The parts of a compressed Linux kernel, which all its image types read: the boot sector with the
 * setup header, the real-mode code, and the kernel behind them. [x86-boot] */

import { alignUp, hex, isPowerOfTwo, MIB } from "../../../core/address.ts";
import type { CommandLineLimit } from "../../../core/command-line.ts";
import { failImage } from "../../../core/error.ts";
import type { X8664EntryState } from "../../../model/entry-state.ts";
import type { DraftPlan, PlanContext } from "../../../model/image-type.ts";
import type { Segment } from "../../../model/load-plan.ts";
import type { LoaderRequest } from "../../../model/request.ts";
import type { SetupHeader } from "../handoff/setup-header.ts";
import { reachName } from "../layout.ts";
import { placeBootParams } from "./linux-boot-params.ts";
import { type InitrdLimit, placeInitrd } from "./place-initrd.ts";

const SECTOR = 512;
/** The number of sectors where `setup_sects` is 0. [x86-boot] 0x1f1 */
const DEFAULT_SETUP_SECTS = 4;
/** `syssize` counts paragraphs of 16 bytes. [x86-boot] 0x1f4 */
const PARAGRAPH = 16;
const ADDRESS_BITS = 64;
/** The kernel is not placed below 1 MiB, where firmware keeps data. */
const LOWEST_KERNEL = MIB;

/** A compressed kernel: its file and its setup header. */
export interface CompressedKernel {
  readonly file: Uint8Array;
  readonly header: SetupHeader;
}

/** The size of the shortest boot sector with a setup header, in bytes. */
export const SHORTEST_KERNEL = 2 * SECTOR;

/** The size of the boot sector and the real-mode code, in bytes: the offset of the kernel. */
export function setupSize({ setup_sects }: SetupHeader): number {
  return ((setup_sects === 0 ? DEFAULT_SETUP_SECTS : setup_sects) + 1) * SECTOR;
}

/** The kernel behind its real-mode code. */
export function protectedModeCode({ file, header }: CompressedKernel): Uint8Array {
  return file.subarray(setupSize(header));
}

/**
 * The header counts begun paragraphs: the last one may have a single byte in the file.
 * @throws KexecError `image.truncated` where the file is shorter than its header says
 */
export function checkLength({ file, header }: CompressedKernel): void {
  const setup = setupSize(header);
  const needed = setup + Math.max(header.syssize * PARAGRAPH - PARAGRAPH, 0) + 1;
  if (file.length >= needed) return;
  failImage({
    code: "image.truncated",
    message:
      `the file is cut short: it has ${file.length} bytes, but its header requires ${needed} or ` +
      `more (setup_sects ${header.setup_sects} at 0x1f1, syssize ${hex(header.syssize)} at 0x1f4)`,
    hint: "Copy or build the kernel again, and compare its size.",
  });
}

/** The longest command line. `cmdline_size` does not count the NUL, but Linux's own loader counts
 * it, so this is one byte less: every loader then accepts the same command lines. */
export function commandLineLimit({ cmdline_size }: SetupHeader): CommandLineLimit {
  return { max: cmdline_size - 1, who: "this kernel", source: " (cmdline_size at 0x238)" };
}

/** @throws KexecError `image.header` where kernel_alignment is not a power of two, or min_alignment
 * exceeds the width of addresses */
export function checkAlignment({ kernel_alignment, min_alignment }: SetupHeader): void {
  if (!isPowerOfTwo(BigInt(kernel_alignment))) {
    failImage({
      code: "image.header",
      message: `kernel_alignment ${hex(kernel_alignment)} at 0x230 is not a power of two`,
    });
  }
  if (min_alignment < ADDRESS_BITS) return;
  failImage({
    code: "image.header",
    message: `min_alignment at 0x235 is 2^${min_alignment}: no address is a multiple of it`,
  });
}

/** The alignment that the kernel prefers, but not less than the one that it requires.
 * [x86-boot] 0x230 kernel_alignment, 0x235 min_alignment */
function alignmentOf({ kernel_alignment, min_alignment }: SetupHeader): bigint {
  const [preferred, needed] = [BigInt(kernel_alignment), 1n << BigInt(min_alignment)];
  return preferred > needed ? preferred : needed;
}

/** The end of the initrd by initrd_addr_max, for a kernel that reads it below 4 GiB only. */
export function initrdLimit({ initrd_addr_max }: SetupHeader): InitrdLimit {
  return {
    max: BigInt(initrd_addr_max) + 1n,
    why: `; not above initrd_addr_max ${hex(initrd_addr_max)}`,
    maxFrom: `initrd_addr_max ${hex(initrd_addr_max)} of the kernel (0x22c)`,
  };
}

/** Why kexec_file_load cannot load a kernel with `--dtb`; null without it. */
export function whyNotTreeByFile({ dtb }: LoaderRequest): string | null {
  return dtb === null ? null : "kexec_file_load does not pass a device tree on this architecture";
}

/** Takes memory for a relocatable kernel below `max`. */
export function placeKernel(context: PlanContext, kernel: CompressedKernel, max: bigint): Segment {
  const { init_size, pref_address } = kernel.header;
  const bytes = protectedModeCode(kernel);
  const alignment = alignmentOf(kernel.header);
  return context.put({
    role: "kernel",
    bytes,
    size: alignUp(BigInt(Math.max(init_size, bytes.length)), BigInt(context.facts.pageSize)),
    alignment,
    min: pref_address > LOWEST_KERNEL ? pref_address : LOWEST_KERNEL,
    minFrom:
      pref_address > LOWEST_KERNEL
        ? `pref_address ${hex(pref_address)} of the kernel (0x258)`
        : `${hex(LOWEST_KERNEL)}, below which no kernel goes`,
    max,
    maxFrom: reachName(max),
    reason:
      `the highest place with init_size ${hex(init_size)} bytes, a multiple of ` +
      `kernel_alignment ${hex(alignment)}, not below pref_address ${hex(pref_address)}`,
  });
}

/** A placed kernel, and the limits for the segments that belong to it. */
export interface PlacedKernel {
  readonly segment: Segment;
  readonly initrdLimit: InitrdLimit;
  /** One past the highest address of boot params. */
  readonly bootParamsMax: bigint;
  /** The entry state without the register that points to the boot params. */
  readonly entryState: X8664EntryState;
}

/** The draft of a placed kernel with its initrd and boot params.
 * @throws KexecError `plan.no-room` */
export function draftAround(
  context: PlanContext,
  { file, header }: CompressedKernel,
  placed: PlacedKernel,
): DraftPlan {
  const initrd = placeInitrd(context, placed.initrdLimit);
  const handoff = { image: file, header, initrd, max: placed.bootParamsMax };
  const bootParams = placeBootParams(context, handoff);
  return {
    segments: [placed.segment, ...(initrd === null ? [] : [initrd]), bootParams.segment],
    entryState: { ...placed.entryState, rsi: bootParams.segment.start },
    commandLine: context.commandLine?.text ?? "",
    commandLineEnd: bootParams.commandLineEnd,
    notes: bootParams.notes,
  };
}
