/**
 * The numbers that the kernel prints in its one-value files: `0x1f`, `31`, with a newline.
 *
 * These parsers are stricter than the strtoll(3) that kexec-tools uses, which reads "garbage" as 0
 * and caps at 2^63 - 1.
 */

import { hex } from "../core/address.ts";
import { withoutBlanks } from "../core/bytes.ts";
import { fail } from "../core/error.ts";

/** At most `length` characters of `text` in double quotes, for an error about it. */
export function quoted(text: string, length = 60): string {
  return JSON.stringify(text.length > length ? `${text.slice(0, length)}...` : text);
}

/**
 * Parses all of `text` as a number: hexadecimal with `0x`, or decimal; ASCII blanks around it are
 * allowed.
 * @param file where the text came from, for the error
 * @param bits the number is below 2^bits
 * @throws KexecError `facts.number`
 */
export function parseNumber(text: string, file: string, bits = 64): bigint {
  const digits = withoutBlanks(text);
  if (!/^(?:0[xX][0-9a-fA-F]+|[0-9]+)$/.test(digits)) {
    return fail({
      code: "facts.number",
      message: `${file}: ${quoted(text)} is not a number (0x... or decimal digits are needed)`,
    });
  }
  const value = BigInt(digits);
  if (value >> BigInt(bits) !== 0n) {
    return fail({
      code: "facts.number",
      message: `${file}: ${hex(value)} does not fit in ${bits} bits`,
    });
  }
  return value;
}

/** `parseNumber` for at most 32 bits, as a `number`. @throws KexecError `facts.number` */
export function parseSmallNumber(text: string, file: string, bits: 8 | 16 | 32): number {
  return Number(parseNumber(text, file, bits));
}
