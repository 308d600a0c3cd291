/**
 * The log of Linux 3.5 to 5.9: consecutive records in a buffer, each a header and its text.
 * [linux v5.9 kernel/printk/printk.c]
 */

import { hex } from "../core/address.ts";
import { type FirstError, vmcoreError } from "./first-error.ts";
import { escaped, type LogText, timeText } from "./log-text.ts";
import type { CoreMemory } from "./memory.ts";
import type { Vmcoreinfo } from "./vmcoreinfo.ts";

/** The most bytes of a record's header. The kernel's has 16; kexec-tools accepts any number. */
const HEADER_MAX = 1 << 16;

interface Layout {
  readonly buffer: bigint;
  readonly bufferLength: bigint;
  readonly firstIndex: bigint;
  readonly nextIndex: bigint;
  readonly size: number;
  readonly time: number;
  readonly length: number;
  readonly textLength: number;
}

/** @throws KexecError with kexec-tools' words and statuses */
function layoutOf(info: Vmcoreinfo): Layout {
  const symbol = (name: string, shown: string, status: number): bigint => {
    const address = info.symbol(name);
    if (address === null) throw vmcoreError(`Missing the ${shown} symbol`, status);
    return address;
  };
  // The structure was called `log` before Linux 3.11.
  const decimal = (name: string) =>
    info.decimal(name.replace("log", "printk_log")) ?? info.decimal(name);
  const buffer = symbol("log_buf", "log_buf", 60);
  const bufferLength = symbol("log_buf_len", "log_bug_len", 61);
  const firstIndex = symbol("log_first_idx", "log_first_idx", 62);
  const nextIndex = symbol("log_next_idx", "log_next_idx", 63);
  const size = decimal("SIZE(log)") ?? 0n;
  if (size === 0n) throw vmcoreError("Missing the struct log size export", 64);
  if (size > HEADER_MAX) throw vmcoreError(`vmcoreinfo is damaged: SIZE(log)=${size}`, 64);
  const field = (name: string, width: number, status: number): number => {
    const offset = decimal(`OFFSET(log.${name})`);
    if (offset === null) throw vmcoreError(`Missing the log.${name} offset export`, status);
    if (offset + BigInt(width) <= size) return Number(offset);
    throw vmcoreError(`vmcoreinfo is damaged: OFFSET(log.${name})=${offset}`, status);
  };
  return {
    buffer,
    bufferLength,
    firstIndex,
    nextIndex,
    size: Number(size),
    time: field("ts_nsec", 8, 65),
    length: field("len", 2, 66),
    textLength: field("text_len", 2, 67),
  };
}

/** Prints the log up to where it is damaged. @throws KexecError */
export function printRecordLog(
  memory: CoreMemory,
  info: Vmcoreinfo,
  out: LogText,
  firstError: FirstError,
): void {
  const layout = layoutOf(info);
  const buffer = memory.pointer(layout.buffer);
  const length = memory.u32(layout.bufferLength);
  let index = memory.u32(layout.firstIndex);
  const end = memory.u32(layout.nextIndex);
  const corrupted = (what: string, status: number) =>
    vmcoreError(
      `${what}\nThe printk log_buf is most likely corrupted.\n` +
        `log_buf = ${hex(buffer)}, idx = ${hex(index)}`,
      status,
    );
  let wrapped = false;
  while (index !== end) {
    if (index > length - layout.size) throw corrupted("Index outside log_buf detected.", 69);
    const { step, least } = printRecord(memory, layout, buffer + BigInt(index), out, firstError);
    if (step > 0) {
      // A length that ends inside the record might make the loop endless.
      if (step < least) throw corrupted("Record shorter than its text detected.", 69);
      index += step;
    } else {
      // Length 0 marks the end of the buffer: the next record did not fit there, and is at its
      // start.
      if (wrapped) throw corrupted("Cycle when parsing dmesg detected.", 68);
      index = 0;
      wrapped = true;
    }
  }
}

/**
 * Prints one record. Like kexec-tools, it prints the mark at the end of the buffer as an empty
 * record.
 * @returns the record's length in bytes, and the least length that its header and text need
 * @throws KexecError where its header cannot be read
 */
function printRecord(
  memory: CoreMemory,
  layout: Layout,
  address: bigint,
  out: LogText,
  firstError: FirstError,
): { readonly step: number; readonly least: number } {
  const line = () => `Failed to read log of size ${layout.size} bytes`;
  const reader = memory.reader(memory.need(address, layout.size, line, 65), "printk_log");
  const textLength = reader.u16(layout.textLength);
  const text = memory.read(address + BigInt(layout.size), textLength);
  if (text.length < textLength) {
    const textLine = () => `Failed to read log text of size ${textLength} bytes`;
    firstError.keep(() => memory.failure(address + BigInt(layout.size), textLength, textLine, 65));
  }
  out.add(`${timeText(reader.u64(layout.time))}${escaped(text)}\n`);
  return { step: reader.u16(layout.length), least: layout.size + textLength };
}
