/** Whether a crash kernel can come up in the memory that is reserved for it. Pure. */

import { hex, humanSize, MIB } from "../core/address.ts";
import { rangeSize, totalSize } from "../core/range.ts";
import type { HostFacts } from "../model/host-facts.ts";
import { crashRegion, usedCrashRegion } from "./crash-region.ts";

/** What a kernel and its init need beside themselves, at the least. */
const ROOM_MIN = 32n * MIB;

/**
 * A sentence where what is left of the regions is hardly enough: the load works, and the dump will
 * not.
 * @param taken bytes of the regions that have something in them as the kernel starts
 * @param initrd bytes of the initrd, which is unpacked
 * @throws KexecError `plan.no-crash-region`
 */
export function crashRoomWarnings(facts: HostFacts, taken: bigint, initrd: bigint): string[] {
  const region = crashRegion(facts);
  const reserved = totalSize(facts.crashRegions);
  const left = reserved > taken ? reserved - taken : 0n;
  const needed = initrd + ROOM_MIN;
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
