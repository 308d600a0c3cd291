/** What the types of compressed Linux kernels share: a boot sector with the setup header, real-mode
 * code, and then the kernel. [x86-boot] */

import { alignUp, hex, isPowerOfTwo, MIB } from "../../../core/address.ts";
import { fail } from "../../../core/error.ts";
import { type InitrdLimit, placeInitrd } from "../../../image/place-initrd.ts";
import type { DraftPlan, EntryState, PlanContext, Probe } from "../../../model/image-type.ts";
import type { Segment } from "../../../model/load-plan.ts";
import type { LoaderRequest } from "../../../model/request.ts";
import { BOOT_FLAG, HEADER_MAGIC, SetupHeader, showVersion } from "../handoff/setup-header.ts";
import { placeBootParams } from "./linux-boot-params.ts";

const SECTOR = 512;
/** What `setup_sects` 0 means. [x86-boot] 0x1f1 */
const DEFAULT_SETUP_SECTS = 4;
/** `syssize` counts paragraphs of 16 bytes. [x86-boot] 0x1f4 */
const PARAGRAPH = 16;
/** Below 1 MiB lies what firmware left; the kernel itself must not. */
const LOWEST_KERNEL = MIB;

export const no = (why: string): Probe => ({ match: false, why });

/** What every type asks of a file: a boot sector with a setup header of `oldest` or later. */
export function probeKernel(image: Uint8Array, oldest: number): Probe {
  if (image.length < 2 * SECTOR) return no(`${image.length} bytes are too few for a boot sector`);
  const { header: magic, boot_flag, version } = SetupHeader.read(image);
  if (magic !== HEADER_MAGIC) return no('no "HdrS" at offset 0x202');
  if (boot_flag !== BOOT_FLAG) return no("no 0xaa55 at offset 0x1fe");
  if (version < oldest) {
    const [found, needed] = [version, oldest].map(showVersion);
    return no(`boot protocol ${found} at offset 0x206, ${needed} or newer is needed`);
  }
  return { match: true };
}

/** Bytes of boot sector and real-mode code in front of the 64-bit kernel. */
export function setupSize({ setup_sects }: SetupHeader): number {
  return ((setup_sects === 0 ? DEFAULT_SETUP_SECTS : setup_sects) + 1) * SECTOR;
}

/** @throws KexecError `image.truncated` where the file is shorter than its header says */
export function checkLength(image: Uint8Array, header: SetupHeader): void {
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

/** `cmdline_size` does not count the NUL, but Linux's own loader does; so no loader differs
 * here.
 * @throws KexecError `image.command-line` */
export function checkCommandLine(commandLine: string | null, header: SetupHeader): void {
  const length = (commandLine ?? "").length;
  if (length + 1 <= header.cmdline_size) return;
  fail({
    code: "image.command-line",
    message:
      `the command line has ${length} bytes, this kernel takes at most ` +
      `${header.cmdline_size - 1} (cmdline_size at 0x238)`,
  });
}

/** @throws KexecError `image.header` where the kernel's place could not be a multiple of it */
export function checkAlignment({ kernel_alignment }: SetupHeader): void {
  if (isPowerOfTwo(BigInt(kernel_alignment))) return;
  fail({
    code: "image.header",
    message: `kernel_alignment ${hex(kernel_alignment)} at 0x230 is not a power of two`,
  });
}

/** The initrd's limit by the header, for a kernel that takes it below 4 GiB only. */
export function initrdLimit({ initrd_addr_max }: SetupHeader): InitrdLimit {
  return {
    max: BigInt(initrd_addr_max) + 1n,
    why: `; not above initrd_addr_max ${hex(initrd_addr_max)}`,
  };
}

/** Why a kernel with `--dtb` is for kexec_load only, or null. */
export function whyNotTreeByFile({ dtb }: LoaderRequest): string | null {
  return dtb === null ? null : "kexec_file_load takes no device tree on this architecture";
}

/** Takes memory for a relocatable kernel below `max`. */
export function placeKernel(context: PlanContext, header: SetupHeader, max: bigint): Segment {
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
    max,
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

/** How a kernel that has its place is gone on with. */
export interface CompressedKernel {
  readonly kernel: Segment;
  readonly initrdLimit: InitrdLimit;
  /** One past the highest address of boot params. */
  readonly bootParamsMax: bigint;
  /** Without what points to the boot params. */
  readonly entryState: EntryState;
}

/** The draft around a kernel that has its place. @throws KexecError `plan.no-room` */
export function draftAround(
  context: PlanContext,
  { kernel, initrdLimit, bootParamsMax, entryState }: CompressedKernel,
): DraftPlan {
  const initrd = placeInitrd(context, initrdLimit);
  const image = context.inputs.kernel.bytes;
  const bootParams = placeBootParams(context, { image, initrd, max: bootParamsMax });
  return {
    segments: [kernel, ...(initrd === null ? [] : [initrd]), bootParams.segment],
    entryState: { ...entryState, rsi: bootParams.segment.start },
    commandLine: context.commandLine ?? "",
    commandLineEnd: bootParams.commandLineEnd,
    notes: bootParams.notes,
  };
}
