/** Reads the setup header of every boot protocol version: older versions have fewer fields. */

import { alignDown, alignUp } from "../../../core/address.ts";
import { failImage } from "../../../core/error.ts";
import { NoRoom } from "../../../core/no-room.ts";
import { type Range, rangeSize, showRange, subtract } from "../../../core/range.ts";
import { type NotMine, notMine, type PlanContext } from "../../../model/image-type.ts";
import type { Segment } from "../../../model/load-plan.ts";
import {
  BOOT_FLAG,
  HEADER_MAGIC,
  LOADED_HIGH,
  readSetupHeader,
  SetupHeader,
  showVersion,
  XLF_CAN_BE_LOADED_ABOVE_4G,
  XLF_KERNEL_64,
} from "../handoff/setup-header.ts";
import { FIXED_KERNEL, LINUX_32_END, PROTECTED_MODE_END, ZIMAGE_KERNEL } from "../layout.ts";
import {
  type CompressedKernel,
  placeKernel,
  protectedModeCode,
  SHORTEST_KERNEL,
} from "./bzimage-parts.ts";

/** The boot protocol versions that added the fields used here. [x86-boot] */
export const VERSION_OLDEST = 0x0200;
export const VERSION_HEAP = 0x0201;
export const VERSION_CMD_LINE_PTR = 0x0202;
const VERSION_INITRD_ADDR_MAX = 0x0203;
const VERSION_LONG_SYSSIZE = 0x0204;
const VERSION_RELOCATABLE = 0x0205;
const VERSION_CMDLINE_SIZE = 0x0206;
export const VERSION_SETUP_DATA = 0x0209;
const VERSION_INIT_SIZE = 0x020a;
export const VERSION_XLOADFLAGS = 0x020c;
/** The cmdline_size of a kernel without that field: 255 bytes and the NUL. [x86-boot] 0x238 */
const OLD_CMDLINE_SIZE = 256;

/** Headers before the version with `cmd_line_ptr` are shorter than the structure. */
const NOT_IN_SHORT_HEADER = {
  ...{ relocatable_kernel: 0, xloadflags: 0, setup_data: 0n, cmd_line_ptr: 0 },
} as const;

/** The values of the fields that a short header does not have. */
function completed(header: SetupHeader): SetupHeader {
  const { version, syssize } = header;
  return {
    ...header,
    syssize: version >= VERSION_LONG_SYSSIZE ? syssize : syssize & 0xffff,
    initrd_addr_max:
      version >= VERSION_INITRD_ADDR_MAX ? header.initrd_addr_max : Number(LINUX_32_END - 1n),
    cmdline_size: version >= VERSION_CMDLINE_SIZE ? header.cmdline_size : OLD_CMDLINE_SIZE,
    init_size: version >= VERSION_INIT_SIZE ? header.init_size : 0,
    min_alignment: version >= VERSION_INIT_SIZE ? header.min_alignment : 0,
    pref_address: version >= VERSION_INIT_SIZE ? header.pref_address : 0n,
  };
}

/** Whether a compressed kernel of any boot protocol may begin so. */
export const hasSetupHeader = (start: Uint8Array): boolean =>
  start.length >= SHORTEST_KERNEL && SetupHeader.read(start).header === HEADER_MAGIC;

/**
 * A compressed kernel: a boot sector with a setup header of boot protocol `oldest` or later.
 * @throws KexecError as `readSetupHeader`
 */
export function readKernel(file: Uint8Array, oldest: number): CompressedKernel | NotMine {
  if (file.length < SHORTEST_KERNEL) {
    return notMine(`${file.length} bytes are too few for a boot sector`);
  }
  const fields = SetupHeader.read(file);
  const { header: magic, boot_flag, version } = fields;
  if (magic !== HEADER_MAGIC) return notMine('no "HdrS" at offset 0x202');
  if (boot_flag !== BOOT_FLAG) return notMine("no 0xaa55 at offset 0x1fe");
  if (version < oldest) {
    const [found, needed] = [version, oldest].map(showVersion);
    return notMine(`boot protocol ${found} at offset 0x206, ${needed} or newer is needed`);
  }
  const isShort = version < VERSION_CMD_LINE_PTR;
  const known = isShort ? { ...fields, ...NOT_IN_SHORT_HEADER } : readSetupHeader(file);
  return { file, header: completed(known) };
}

export function isZImage({ loadflags }: SetupHeader): boolean {
  return (loadflags & LOADED_HIGH) === 0;
}

export function isRelocatable(header: SetupHeader): boolean {
  return header.version >= VERSION_RELOCATABLE && header.relocatable_kernel !== 0;
}

/**
 * Why a kernel cannot be entered in 64-bit mode wherever it lies; null: it can. These are the
 * demands of the probes of kexec-tools and of Linux' own loader, and those of a 64-bit entry that
 * they leave out. [linux arch/x86/kernel/kexec-bzimage64.c bzImage64_probe] [x86-boot] 0x236
 */
export function whyNot64(header: SetupHeader): string | null {
  const { version, xloadflags, init_size } = header;
  if (version < VERSION_XLOADFLAGS) {
    const [found, needed] = [version, VERSION_XLOADFLAGS].map(showVersion);
    return `boot protocol ${found} at offset 0x206, ${needed} or newer is needed`;
  }
  if (isZImage(header)) return "a zImage: LOADED_HIGH is not set at 0x211";
  if ((xloadflags & XLF_KERNEL_64) === 0) {
    return "no 64-bit entry: XLF_KERNEL_64 is not set at 0x236";
  }
  if ((xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G) === 0) {
    return "no 64-bit entry for any address: XLF_CAN_BE_LOADED_ABOVE_4G is not set at 0x236";
  }
  if (!isRelocatable(header)) return "the kernel is not relocatable: 0 at offset 0x234";
  return init_size === 0 ? "init_size at 0x260 is 0: how much memory is needed?" : null;
}

/** One past the highest address that is mapped; a 64-bit kernel maps 4 GiB itself. */
export function kernelEnd({ xloadflags }: SetupHeader): bigint {
  return (xloadflags & XLF_KERNEL_64) !== 0 ? PROTECTED_MODE_END : LINUX_32_END;
}

/** Where a kernel that is not relocatable moves itself, whole pages; null: it stays, or does not
 * say. [x86-boot] 0x258 pref_address, 0x260 init_size */
function runtimeMemory(header: SetupHeader, page: bigint): Range | null {
  const { pref_address, init_size } = header;
  if (isZImage(header) || pref_address === 0n || init_size === 0) return null;
  const end = alignUp(pref_address + BigInt(init_size), page);
  return { start: alignDown(pref_address, page), end };
}

function placeFixed(context: PlanContext, kernel: CompressedKernel): Segment {
  const { header } = kernel;
  const page = BigInt(context.facts.pageSize);
  const bytes = protectedModeCode(kernel);
  const zImage = isZImage(header);
  const runtime = runtimeMemory(header, page);
  const start = zImage ? ZIMAGE_KERNEL : FIXED_KERNEL;
  // Without pref_address a kernel unpacks itself where it is.
  const least = zImage || runtime !== null ? 0 : header.init_size;
  const size = alignUp(BigInt(Math.max(least, bytes.length)), page);
  const own = { start, end: start + size };
  const reason = zImage
    ? "a zImage (0x211): its real-mode code expects it at 64 KiB"
    : "the kernel is not relocatable (0x234): it is entered at 1 MiB only" +
      (runtime === null ? "" : `, and runs at ${showRange(runtime)}, which is kept free`);
  // These segments have no bytes. They keep other segments out of memory that the kernel overwrites
  // before it reads them.
  const kept = subtract(runtime === null ? [] : [runtime], [own]);
  const placed = context.tryPutFixed([
    { role: "kernel", start, size, bytes: () => bytes, reason },
    ...kept.map((r) => ({
      ...({ role: "kernel", start: r.start, size: rangeSize(r), reason } as const),
      bytes: () => new Uint8Array(0),
    })),
  ]);
  if (placed instanceof NoRoom) return placed.throw();
  const [segment] = placed;
  if (segment === undefined)
    throw new RangeError("tryPutFixed() returned no segment for the kernel");
  return segment;
}

/** Takes memory at the fixed address at which the kernel runs. @throws KexecError `plan.no-room` */
export function placeVersioned(context: PlanContext, kernel: CompressedKernel): Segment {
  return isRelocatable(kernel.header)
    ? placeKernel(context, kernel, kernelEnd(kernel.header))
    : placeFixed(context, kernel);
}

/** @throws ImageError `image.dtb` for a device tree, where the kernel has no setup_data */
export function checkDeviceTree({ inputs }: PlanContext, { version }: SetupHeader): void {
  if (inputs.dtb === null || version >= VERSION_SETUP_DATA) return;
  failImage({
    code: "image.dtb",
    message:
      `the kernel has boot protocol ${showVersion(version)}, but ` +
      `${showVersion(VERSION_SETUP_DATA)} is needed to pass it a device tree`,
  });
}
