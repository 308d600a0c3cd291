/** Whether a crash kernel can come up in the memory that is reserved for it. Pure. */

import { hex, humanSize, MIB } from "../../core/address.ts";
import { hasKernelParameter } from "../../facts/kernel-parameter.ts";
import type { LoadedSize } from "../purpose/purpose.ts";
import type { CrashRegion } from "./crash-region.ts";

/** What a kernel and its init need beside themselves, at the least. */
const ROOM_MIN = 32n * MIB;

/**
 * What is needed beside the kernel and the initrd as they are loaded. The initrd is unpacked, into
 * a file system that takes no more than half of the memory, unless root= says that another follows.
 * A compressed one needs more, which is not known here. [linux init/do_mounts.c init_rootfs]
 */
function roomNeeded(initrd: bigint, commandLine: string | null): bigint {
  const isHalf = !hasKernelParameter(commandLine ?? "", "root");
  return initrd + (isHalf && initrd > ROOM_MIN ? initrd : ROOM_MIN);
}

/**
 * A sentence where what is left of the region is hardly enough: the load works, and the dump will
 * not.
 * @param loaded what of the region is taken as the crash kernel starts
 * @param commandLine the crash kernel's
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

/** A sentence for the error of a segment of a crash kernel that finds no room. */
export function crashRoomRemark({ used, usedSize }: CrashRegion): string {
  const region = `${humanSize(usedSize)} that crashkernel= reserved at ${hex(used.start)}`;
  return `All segments of a crash kernel must lie in the ${region}.`;
}
