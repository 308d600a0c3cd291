/** Whether the memory that is reserved for a crash kernel is large enough for it. Pure. */

import { hex, humanSize, MIB } from "../../core/address.ts";
import { hasKernelParameter } from "../../facts/kernel-parameter.ts";
import type { LoadedSize } from "../purpose/purpose.ts";
import type { CrashRegion } from "./crash-region.ts";

/** Memory that a running kernel and its init need besides the loaded files, in bytes, at least. */
const ROOM_MIN = 32n * MIB;

/**
 * Memory that is needed besides the loaded kernel and initrd, in bytes. The kernel unpacks the
 * initrd: without root= into a tmpfs, which may take at most half of the memory. A compressed
 * initrd needs more; how much is not known here. [linux init/do_mounts.c init_rootfs]
 */
function roomNeeded(initrd: bigint, commandLine: string | null): bigint {
  const isHalf = !hasKernelParameter(commandLine ?? "", "root");
  return initrd + (isHalf && initrd > ROOM_MIN ? initrd : ROOM_MIN);
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
