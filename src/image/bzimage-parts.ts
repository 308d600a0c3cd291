/** What the types of compressed Linux kernels share: a boot sector with the setup header, real-mode
 * code, and then the kernel. [x86-boot] */

import { alignUp, hex, MIB } from "../core/address.ts";
import { fail } from "../core/error.ts";
import type { SetupHeader } from "../handoff/setup-header.ts";
import type { PlanContext } from "../model/image-type.ts";
import type { Segment } from "../model/load-plan.ts";

export const SECTOR = 512;
/** What `setup_sects` 0 means. [x86-boot] 0x1f1 */
const DEFAULT_SETUP_SECTS = 4;
/** `syssize` counts paragraphs of 16 bytes. [x86-boot] 0x1f4 */
const PARAGRAPH = 16;
/** Below 1 MiB lies what firmware left; the kernel itself must not. */
const LOWEST_KERNEL = MIB;
/** Page tables and real-mode trampolines of the next kernel are below it. */
const LOWEST_INITRD = 16n * MIB;

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

/** Where an initrd must end, and why. */
export interface InitrdLimit {
  /** One past its highest address. */
  readonly max: bigint;
  readonly why: string;
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

/** Takes memory for the initrd below `limit`; null: there is none, or it is empty. */
export function placeInitrd(context: PlanContext, limit: InitrdLimit): Segment | null {
  const { initrd } = context.inputs;
  if (initrd === null || initrd.bytes.length === 0) return null;
  const size = alignUp(BigInt(initrd.bytes.length), BigInt(context.facts.pageSize));
  const { max, why } = limit;
  const start = context.place({
    role: "initrd",
    size,
    alignment: 1n,
    min: LOWEST_INITRD,
    max,
    from: "top",
  });
  return {
    role: "initrd",
    start,
    size,
    bytes: initrd.bytes,
    sha256: null,
    reason: `the highest place that is free; ${why}`,
  };
}
