/** The log of Linux before 3.5: one ring of text. [linux v3.4 kernel/printk.c] */

import { textOf } from "../core/bytes.ts";
import { vmcoreError } from "./first-error.ts";
import type { LogText } from "./log-text.ts";
import type { CoreMemory } from "./memory.ts";
import type { Vmcoreinfo } from "./vmcoreinfo.ts";

const PIECE = 1 << 16;

/** kexec-tools needs all of them, `log_bug_len` is how it spells one, and so are its statuses. */
const SYMBOLS = [
  ["log_buf", "log_buf", 50],
  ["log_end", "log_end", 51],
  ["log_buf_len", "log_bug_len", 52],
  ["logged_chars", "logged_chars", 53],
] as const;

/** Xen names no log of its own in what it leaves, and dom0's vmcoreinfo is there only if it was put
 * there as the crash kernel was loaded. */
function whyNoLog({ isEmpty, xen }: Vmcoreinfo): string {
  if (!isEmpty) return "Its VMCOREINFO note names no log.";
  if (xen === null) return "The core has no VMCOREINFO note, or an empty one.";
  return (
    "This is a dump of a machine with Xen, without dom0's VMCOREINFO note: its crash kernel was\n" +
    "not loaded by this kexec, or in dom0 without /sys/kernel/vmcoreinfo.\n" +
    "Xen's own log is not found either: Xen's VMCOREINFO_XEN note does not say where it is."
  );
}

/** @throws KexecError */
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
  // `end` counts on for ever; what `dmesg -c` took is still there, and printed too.
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
