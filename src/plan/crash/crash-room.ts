/** Whether a crash kernel can come up in the memory that is reserved for it. Pure. */

import { hex, humanSize, MIB } from "../../core/address.ts";
import { rangeSize, totalSize } from "../../core/range.ts";
import { hasKernelParameter } from "../../facts/kernel-parameter.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import { crashRegion, usedCrashRegion } from "./crash-region.ts";

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
 * A sentence where what is left of the regions is hardly enough: the load works, and the dump will
 * not.
 * @param taken bytes of the regions that have something in them as the kernel starts
 * @param initrd bytes of the initrd, which is unpacked
 * @param commandLine the crash kernel's
 * @throws KexecError `plan.no-crash-region`
 */
export function crashRoomWarnings(
  facts: HostFacts,
  taken: bigint,
  initrd: bigint,
  commandLine: string | null,
): string[] {
  const region = crashRegion(facts);
  const reserved = totalSize(facts.crashRegions);
  const left = reserved > taken ? reserved - taken : 0n;
  const needed = roomNeeded(initrd, commandLine);
  if (left >= needed) return [];
  return [
    `the crash region is too small: ${humanSize(left)} are left of the ${humanSize(reserved)} ` +
      `at ${hex(region.start)}, and the crash kernel needs at least ${humanSize(needed)} to unpack ` +
      "its initrd and run; try a larger crashkernel=",
  ];
}

/** What is said where pieces of a crash kernel find no room; empty where no region is. */
export function crashRoomRemark(facts: HostFacts): string {
  const region = usedCrashRegion(facts);
  if (region === undefined) return "";
  const size = humanSize(rangeSize(region));
  const where = `${size} that crashkernel= reserved at ${hex(region.start)}`;
  return `All of a crash kernel goes into the ${where}.`;
}
