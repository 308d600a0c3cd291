/** The log of Linux before 3.5: one ring of text. [linux v3.4 kernel/printk.c] */

import { textOf } from "../core/bytes.ts";
import { vmcoreError } from "./first-error.ts";
import type { LogText } from "./log-text.ts";
import type { CoreMemory } from "./memory.ts";
import type { Vmcoreinfo } from "./vmcoreinfo.ts";

const PIECE = 1 << 16;

/** The symbols, all of which kexec-tools needs; its spelling of each in messages (`log_bug_len` is
 * kexec-tools' own typing error); and its statuses. */
const SYMBOLS = [
  ["log_buf", "log_buf", 50],
  ["log_end", "log_end", 51],
  ["log_buf_len", "log_bug_len", 52],
  ["logged_chars", "logged_chars", 53],
] as const;

/** Why a core has no log. Xen's own vmcoreinfo does not name Xen's log, and dom0's vmcoreinfo is in
 * the dump only if kexec put it there when it loaded the crash kernel. */
function whyNoLog({ isEmpty, xen }: Vmcoreinfo): string {
  if (!isEmpty) return "The core's VMCOREINFO note has no symbol of a log.";
  if (xen === null) return "The core has no VMCOREINFO note, or an empty one.";
  return (
    "This dump of a machine with Xen has no VMCOREINFO note of dom0: another kexec loaded the crash\n" +
    "kernel, or dom0 had no /sys/kernel/vmcoreinfo.\n" +
    "Xen's own log cannot be found: Xen's VMCOREINFO_XEN note does not say where it is."
  );
}

/** Prints the log. @throws KexecError where a symbol is missing or the buffer cannot be read */
export function printPlainLog(memory: CoreMemory, info: Vmcoreinfo, out: LogText): void {
  const hint = whyNoLog(info);
  const [bufferAt = 0n, endAt = 0n, lengthAt = 0n] = SYMBOLS.map(([name, shown, status]) => {
    const address = info.symbol(name);
    if (address === null) throw vmcoreError(`Missing the ${shown} symbol`, status, hint);
    return address;
  });
  const buffer = memory.pointer(bufferAt);
  const end = memory.u32(endAt);
  const length = memory.u32(lengthAt);
  if (length === 0 || length > 2 ** 31 - 1) {
    throw vmcoreError(`The log is damaged: log_buf_len is ${length}`, 51);
  }
  const split = end % length;
  // `log_end` never wraps. Text that `dmesg -c` cleared is still in the buffer, and is printed too.
  if (end >= length) print(memory, buffer, split, length, "Failed to read the first half", 52, out);
  print(memory, buffer, 0, split, "Faield to read the second half", 53, out);
}

/** Prints the bytes of the buffer from `start` to `end`. @throws KexecError */
function print(
  memory: CoreMemory,
  buffer: bigint,
  start: number,
  end: number,
  failed: string,
  exitStatus: number,
  out: LogText,
): void {
  for (let at = start; at < end; at += PIECE) {
    const length = Math.min(PIECE, end - at);
    const address = buffer + BigInt(at);
    const bytes = memory.read(address, length);
    out.add(textOf(bytes));
    if (bytes.length < length) {
      throw memory.failure(address, length, () => `${failed} of the log buffer`, exitStatus);
    }
  }
}
