/** /proc/meminfo: how much memory the running kernel has. */

import { humanSize, KIB } from "../core/address.ts";
import { fail } from "../core/error.ts";

export const MEMINFO = "/proc/meminfo";

/** The value of one line, in bytes; null where there is no such line. */
function bytesOf(text: string, name: string): bigint | null {
  const [, digits] = new RegExp(`^${name}:[ \\t]*([0-9]{1,16}) kB$`, "m").exec(text) ?? [];
  return digits === undefined ? null : BigInt(digits) * KIB;
}

/**
 * MemTotal in bytes: the kernel's totalram_pages. [proc_meminfo(5)]
 * @throws KexecError `facts.meminfo`
 */
export function parseMemTotal(text: string): bigint {
  const total = bytesOf(text, "MemTotal");
  if (total !== null) return total;
  return fail({ code: "facts.meminfo", message: `${MEMINFO}: no line "MemTotal: N kB"` });
}

/** A sentence for messages. @param available of `parseAvailable` */
export const memoryNote = (available: bigint): string =>
  `${humanSize(available)} of memory are available: MemAvailable and SwapFree in ${MEMINFO}.`;

/**
 * The memory that can be allocated without killing a process, in bytes: MemAvailable, which counts
 * caches that can be dropped, and SwapFree. null where the kernel, before 3.14, does not report it.
 * [proc_meminfo(5)]
 */
export function parseAvailable(text: string): bigint | null {
  const available = bytesOf(text, "MemAvailable");
  return available === null ? null : available + (bytesOf(text, "SwapFree") ?? 0n);
}
