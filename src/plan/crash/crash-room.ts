/** Whether a crash kernel can come up in the memory that is reserved for it. Pure. */

import { hex, humanSize, MIB } from "../../core/address.ts";
import { hasKernelParameter, lastKernelParameter } from "../../facts/kernel-parameter.ts";
import type { LoadedSize } from "../purpose/purpose.ts";
import type { CrashRegion } from "./crash-region.ts";

/** What a kernel and its init need beside themselves, at the least. */
const ROOM_MIN = 32n * MIB;

/** Percent of the memory that the file system takes which an initrd is unpacked into, where no
 * option says otherwise. [linux mm/shmem.c shmem_default_max_blocks] */
const TMPFS_PERCENT = 50n;

/**
 * Percent of the memory that an initrd may take when it is unpacked; null: no such limit. It is
 * ramfs, which has none, where root= or rootfstype= says that another file system follows.
 * [linux init/do_mounts.c init_rootfs] [linux fs/namespace.c initramfs_options]
 */
function initrdPercent(commandLine: string): bigint | null {
  const type = lastKernelParameter(commandLine, "rootfstype");
  const follows = type !== undefined || hasKernelParameter(commandLine, "root");
  if (follows && !type?.includes("tmpfs")) return null;
  const options = lastKernelParameter(commandLine, "initramfs_options") ?? "";
  const size = options.split(",").findLast((option) => /^(?:size|nr_blocks)=/.test(option));
  if (size === undefined) return TMPFS_PERCENT;
  const [, percent] = /^size=(\d{1,9})%$/.exec(size) ?? [];
  return percent === undefined || BigInt(percent) === 0n ? null : BigInt(percent);
}

/**
 * What is needed beside the kernel and the initrd as they are loaded: the initrd is unpacked. A
 * compressed one needs more, which is not known here.
 */
function roomNeeded(initrd: bigint, commandLine: string | null): bigint {
  const percent = initrdPercent(commandLine ?? "");
  const least = initrd + ROOM_MIN;
  const asPart = percent === null ? 0n : (initrd * 100n) / percent;
  return asPart > least ? asPart : least;
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
  const where = `${humanSize(usedSize)} that crashkernel= reserved at ${hex(used.start)}`;
  return `All of a crash kernel goes into the ${where}.`;
}
