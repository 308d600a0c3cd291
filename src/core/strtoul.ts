/**
 * strtoul(3) of glibc 2.36 on a 64-bit machine, so that onekexec reads numbers in options as
 * kexec-tools does.
 */

import { ADDRESS_END } from "./address.ts";

/**
 * Converts the whole of `text` to a number; null where other characters follow the number, or where
 * blanks or a sign stand without one. The empty text is 0, a negative number is subtracted from
 * 2^64, and a number that is too large is 2^64 - 1.
 *
 * @param base 0: 16 after the prefix `0x`, 8 after `0`, else 10; 16: with or without `0x`
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
