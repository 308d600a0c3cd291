/**
 * C's strtoul on a 64-bit machine, as glibc 2.36 has it: numbers in options mean to users what they
 * mean to kexec-tools.
 */

import { ADDRESS_END } from "./address.ts";

/**
 * The number that all of `text` is; null where something follows the number, or where there is
 * blank or sign and no number. The empty text is 0, a negative number counts down from 2^64, and
 * one that is too large is 2^64 - 1.
 *
 * @param base 0: by the prefix, `0x` for 16 and `0` for 8; 16: with or without `0x`
 */
export function strtoul(text: string, base: 0 | 16): bigint | null {
  if (text === "") return 0n;
  const parts = /^[ \t\n\v\f\r]*([-+]?)(0[xX](?=[0-9a-fA-F]))?([0-9a-fA-F]+)$/.exec(text);
  if (parts === null) return null;
  const [, sign, prefix, digits = ""] = parts;
  const radix = base === 16 || prefix !== undefined ? 16 : digits.startsWith("0") ? 8 : 10;
  if (radix === 8 && !/^[0-7]+$/.test(digits)) return null;
  if (radix === 10 && !/^[0-9]+$/.test(digits)) return null;
  const value = BigInt(radix === 16 ? `0x${digits}` : radix === 8 ? `0o${digits}` : digits);
  if (value >= ADDRESS_END) return ADDRESS_END - 1n;
  return sign === "-" && value > 0n ? ADDRESS_END - value : value;
}
