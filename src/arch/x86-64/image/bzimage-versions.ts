/** What a compressed kernel below 4 GiB needs by its protocol's version: older ones say less. */

import { alignUp, GIB, KIB, MIB } from "../../../core/address.ts";
import { fail } from "../../../core/error.ts";
import type { PlanContext, Probe } from "../../../model/image-type.ts";
import type { Segment } from "../../../model/load-plan.ts";
import {
  LOADED_HIGH,
  readSetupHeader,
  SetupHeader,
  showVersion,
  XLF_KERNEL_64,
} from "../handoff/setup-header.ts";
import { no, placeKernel, probeKernel, setupSize } from "./bzimage-parts.ts";

/** What the versions brought, as far as this looks at it. [x86-boot] */
const VERSION_OLDEST = 0x0200;
export const VERSION_HEAP = 0x0201;
export const VERSION_CMD_LINE_PTR = 0x0202;
const VERSION_INITRD_ADDR_MAX = 0x0203;
const VERSION_LONG_SYSSIZE = 0x0204;
const VERSION_RELOCATABLE = 0x0205;
const VERSION_CMDLINE_SIZE = 0x0206;
export const VERSION_SETUP_DATA = 0x0209;
const VERSION_INIT_SIZE = 0x020a;
/** Where kernels lie that cannot be moved. [x86-boot] "Loading The Rest of The Kernel" */
const FIXED_PLACE = MIB;
const ZIMAGE_PLACE = 64n * KIB;
/** What a 32-bit kernel maps of memory, and so can be given, if it does not say more itself. */
const LOW_MEMORY_END = 0x3800_0000n;
/** The longest command line that a kernel takes which does not say. [x86-boot] */
const OLD_CMDLINE_SIZE = 255;

/** Before `cmd_line_ptr` the header is shorter than anything that reads it whole. */
function shortHeader(image: Uint8Array): SetupHeader {
  const nothing = { relocatable_kernel: 0, xloadflags: 0, setup_data: 0n, cmd_line_ptr: 0 };
  return { ...SetupHeader.read(image), ...nothing };
}

/** The header, with what its version does not say. @throws KexecError as `readSetupHeader` */
export function versionedHeader(image: Uint8Array): SetupHeader {
  const { version: found } = SetupHeader.read(image);
  const header = found < VERSION_CMD_LINE_PTR ? shortHeader(image) : readSetupHeader(image);
  const { version, syssize } = header;
  return {
    ...header,
    syssize: version >= VERSION_LONG_SYSSIZE ? syssize : syssize & 0xffff,
    initrd_addr_max:
      version >= VERSION_INITRD_ADDR_MAX ? header.initrd_addr_max : Number(LOW_MEMORY_END - 1n),
    cmdline_size: version >= VERSION_CMDLINE_SIZE ? header.cmdline_size : OLD_CMDLINE_SIZE,
    init_size: version >= VERSION_INIT_SIZE ? header.init_size : 0,
    pref_address: version >= VERSION_INIT_SIZE ? header.pref_address : 0n,
  };
}

export function isZImage({ loadflags }: SetupHeader): boolean {
  return (loadflags & LOADED_HIGH) === 0;
}

/** A compressed kernel of any version. @throws KexecError as `readSetupHeader` */
export function probeVersioned(image: Uint8Array): Probe {
  const common = probeKernel(image, VERSION_OLDEST);
  if (!common.match) return common;
  const header = versionedHeader(image);
  if (!isZImage(header) || !isRelocatable(header)) return common;
  return no("LOADED_HIGH is not set at 0x211 for a kernel that can be moved (0x234)");
}

export function isRelocatable(header: SetupHeader): boolean {
  return header.version >= VERSION_RELOCATABLE && header.relocatable_kernel !== 0;
}

/** One past the highest address that is mapped; a 64-bit kernel maps 4 GiB itself. */
export function kernelEnd({ xloadflags }: SetupHeader): bigint {
  return (xloadflags & XLF_KERNEL_64) !== 0 ? 4n * GIB : LOW_MEMORY_END;
}

function placeFixed(context: PlanContext, header: SetupHeader): Segment {
  const bytes = context.inputs.kernel.bytes.subarray(setupSize(header));
  const needed = BigInt(isZImage(header) ? bytes.length : Math.max(header.init_size, bytes.length));
  const size = alignUp(needed, BigInt(context.facts.pageSize));
  const min = isZImage(header) ? ZIMAGE_PLACE : FIXED_PLACE;
  const max = min + size;
  const start = context.place({ role: "kernel", size, alignment: 1n, min, max, from: "bottom" });
  const reason = isZImage(header)
    ? "a zImage (0x211): its real-mode code takes it from 64 KiB"
    : "the kernel is not relocatable (0x234): it runs at 1 MiB only";
  return { role: "kernel", start, size, bytes, sha256: null, reason };
}

/** Takes memory for the kernel where it runs. @throws KexecError `plan.no-room` */
export function placeVersioned(context: PlanContext, header: SetupHeader): Segment {
  return isRelocatable(header)
    ? placeKernel(context, header, kernelEnd(header))
    : placeFixed(context, header);
}

/** @throws KexecError `image.dtb` for a device tree that the kernel cannot be told of */
export function checkDeviceTree({ inputs }: PlanContext, { version }: SetupHeader): void {
  if (inputs.dtb === null || version >= VERSION_SETUP_DATA) return;
  fail({
    code: "image.dtb",
    message:
      `the kernel speaks boot protocol ${showVersion(version)}; ` +
      `${showVersion(VERSION_SETUP_DATA)} is needed to tell it of a device tree`,
  });
}
