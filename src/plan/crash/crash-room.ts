/** Whether the memory that is reserved for a crash kernel is large enough for it. Pure. */

import { hex, humanSize, MIB } from "../../core/address.ts";
import { hasKernelParameter, kernelParameterValue } from "../../facts/kernel-parameter.ts";
import type { LoadedSize } from "../purpose/purpose.ts";
import type { CrashRegion } from "./crash-region.ts";

/** Memory that a running kernel and its init need besides the loaded files, in bytes, at least. */
const ROOM_MIN = 32n * MIB;

/** The part of memory that a tmpfs may take if it has no `size=` option, in percent.
 * [linux mm/shmem.c shmem_default_max_blocks] */
const TMPFS_PERCENT = 50n;

/**
 * The largest part of memory that the unpacked initrd may take, in percent; null: it has no limit.
 * The initrd is unpacked into a ramfs, which has no limit, where root= or rootfstype= names another
 * file system for the root directory; else into a tmpfs.
 * [linux init/do_mounts.c init_rootfs] [linux fs/namespace.c initramfs_options]
 */
function initrdPercent(commandLine: string): bigint | null {
  const type = kernelParameterValue(commandLine, "rootfstype");
  const follows = type !== null || hasKernelParameter(commandLine, "root");
  if (follows && !type?.includes("tmpfs")) return null;
  const options = kernelParameterValue(commandLine, "initramfs_options") ?? "";
  const size = options.split(",").findLast((option) => /^(?:size|nr_blocks)=/.test(option));
  if (size === undefined) return TMPFS_PERCENT;
  const [, percent] = /^size=([0-9]{1,9})%$/.exec(size) ?? [];
  return percent === undefined || BigInt(percent) === 0n ? null : BigInt(percent);
}

/**
 * Memory that is needed besides the loaded kernel and initrd, in bytes: the kernel unpacks the
 * initrd. A compressed initrd needs more; how much is not known here.
 */
function roomNeeded(initrd: bigint, commandLine: string | null): bigint {
  const percent = initrdPercent(commandLine ?? "");
  const least = initrd + ROOM_MIN;
  const asPart = percent === null ? 0n : (initrd * 100n) / percent;
  return asPart > least ? asPart : least;
}

/**
 * A sentence where the region is too small for a dump, although the load works.
 * @param loaded the memory of the region that is taken when the crash kernel starts
 * @param commandLine the crash kernel's command line
 */
export function crashRoomWarnings(
  region: CrashRegion,
  { total, initrd }: LoadedSize,
  commandLine: string | null,
): string[] {
  const reserved = region.allSize;
  const left = reserved > total ? reserved - total : 0n;
  const needed = roomNeeded(initrd, commandLine);
  if (left >= needed) return [];
  return [
    `the crash region is too small: ${humanSize(left)} are left of the ${humanSize(reserved)} ` +
      `at ${hex(region.used.start)}, and the crash kernel needs at least ${humanSize(needed)} to ` +
      "unpack its initrd and run; try a larger crashkernel=",
  ];
}

/** A sentence for the error of a crash kernel's segment that does not fit. */
export function crashRoomRemark({ used, usedSize }: CrashRegion): string {
  const region = `${humanSize(usedSize)} that crashkernel= reserved at ${hex(used.start)}`;
  return `All segments of a crash kernel must lie in the ${region}.`;
}
