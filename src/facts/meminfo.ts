/** /proc/meminfo: how much memory the running kernel has. */

import { KIB } from "../core/address.ts";
import { fail } from "../core/error.ts";

export const MEMINFO = "/proc/meminfo";

/**
 * MemTotal in bytes: the kernel's totalram_pages. [proc_meminfo(5)]
 * @throws KexecError `facts.meminfo`
 */
export function parseMemTotal(text: string): bigint {
  const [, digits] = /^MemTotal:[ \t]*([0-9]{1,16}) kB$/m.exec(text) ?? [];
  if (digits !== undefined) return BigInt(digits) * KIB;
  return fail({ code: "facts.meminfo", message: `${MEMINFO}: no line "MemTotal: N kB"` });
}
