/** Formats the log as kexec-tools does, byte for byte. [kexec-tools] */

import { textOf } from "../core/bytes.ts";
import { vmcoreError } from "./first-error.ts";

/** Writes a byte string. */
export type WriteText = (text: string) => void;

const NANOSECONDS = 1_000_000_000n;
/** The most bytes of a log. No kernel has a larger one, but a damaged log might never end. */
const TEXT_MAX = 2 ** 31;
const PIECE = 1 << 16;

/** `[    1.234567] ` for a time in nanoseconds, which kexec-tools reads as a signed number. */
export function timeText(nanoseconds: bigint): string {
  const signed = BigInt.asIntN(64, nanoseconds);
  const seconds = BigInt.asUintN(64, signed / NANOSECONDS);
  const microseconds = BigInt.asUintN(64, (signed % NANOSECONDS) / 1000n);
  return `[${`${seconds}`.padStart(5)}.${`${microseconds}`.padStart(6, "0")}] `;
}

const PLAIN = /^[\t-\r -~]*$/;
const HEX_DIGITS = "0123456789abcdef";

/** The text of a record; bytes that are neither printable nor blank become escapes such as
 * `\x1b`. */
export function escaped(bytes: Uint8Array): string {
  const text = textOf(bytes);
  if (PLAIN.test(text)) return text;
  const pieces = Array.from(bytes, (byte) => ESCAPES[byte] ?? "");
  return pieces.join("");
}

const ESCAPES: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const one = String.fromCharCode(byte);
  return PLAIN.test(one) ? one : `\\x${HEX_DIGITS[byte >> 4]}${HEX_DIGITS[byte & 15]}`;
});

/** Collects text and writes it in pieces of 64 KiB or more. */
export class LogText {
  readonly #write: WriteText;
  #pieces: string[] = [];
  #pending = 0;
  #total = 0;

  constructor(write: WriteText) {
    this.#write = write;
  }

  /** Adds text. @throws KexecError beyond 2 GiB in all, as kexec-tools */
  add(text: string): void {
    this.#total += text.length;
    if (this.#total > TEXT_MAX) {
      throw vmcoreError("The vmcore-dmesg.txt over 2G in size is not supported.", 53);
    }
    this.#pieces.push(text);
    this.#pending += text.length;
    if (this.#pending >= PIECE) this.flush();
  }

  flush(): void {
    if (this.#pending > 0) this.#write(this.#pieces.join(""));
    this.#pieces = [];
    this.#pending = 0;
  }
}
