/** /proc/self/auxv: pairs of 64-bit numbers that the kernel passed to this process.
 * [getauxval(3)] */

import { isPowerOfTwo } from "../core/address.ts";
import { Reader } from "../core/bytes.ts";
import { fail } from "../core/error.ts";

export const AUXV = "/proc/self/auxv";

const AT_PAGESZ = 6n;

/** The size of a page in bytes. @throws KexecError `facts.auxv` */
export function pageSizeOfAuxv(bytes: Uint8Array): number {
  const reader = new Reader(bytes, AUXV);
  for (let at = 0; at + 16 <= reader.length; at += 16) {
    if (reader.u64(at) !== AT_PAGESZ) continue;
    const size = reader.u64(at + 8);
    if (isPowerOfTwo(size) && size >= 4096n && size <= 1n << 20n) return Number(size);
  }
  return fail({ code: "facts.auxv", message: `${AUXV}: no AT_PAGESZ with a sensible value` });
}
