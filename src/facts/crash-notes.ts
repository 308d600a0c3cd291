/**
 * Where the running kernel leaves what a crash dump needs: its CPUs' states and its vmcoreinfo.
 * [linux kernel/ksysfs.c, drivers/base/cpu.c]
 */

import { fail } from "../core/error.ts";
import type { Range } from "../core/range.ts";
import { quoted } from "./sysfs-number.ts";

export const CPU_DIRECTORY = "/sys/devices/system/cpu";
export const VMCOREINFO = "/sys/kernel/vmcoreinfo";

/** Without crash_notes_size: kernels before 3.10. [kexec-tools] */
const NOTE_BYTES_BEFORE_3_10 = 1024n;

/**
 * The notes of one CPU.
 * @param notes text of crash_notes: the physical address, hexadecimal
 * @param size text of crash_notes_size: bytes, decimal; null where there is no such file
 * @param file names the first, for errors
 * @throws KexecError `facts.crash-notes`
 */
export function parseCrashNotes(notes: string, size: string | null, file: string): Range {
  const address = /^(?:0x)?([0-9a-f]{1,16})\n?$/i.exec(notes)?.[1];
  const bytes = size === null ? `${NOTE_BYTES_BEFORE_3_10}` : /^(\d{1,9})\n?$/.exec(size)?.[1];
  if (address === undefined || bytes === undefined) {
    fail({
      code: "facts.crash-notes",
      message: `Cannot parse ${file}: ${quoted(address === undefined ? notes : (size ?? ""))}`,
    });
  }
  const start = BigInt(`0x${address}`);
  return { start, end: start + BigInt(bytes) };
}

/**
 * Two hexadecimal numbers, with or without 0x: address and size.
 * @throws KexecError `facts.vmcoreinfo`
 */
export function parseVmcoreinfoPlace(text: string): Range {
  const place = /^(?:0x)?([0-9a-f]{1,16}) (?:0x)?([0-9a-f]{1,8})\n?$/i;
  const [, address, size] = place.exec(text) ?? [];
  if (address === undefined || size === undefined) {
    fail({ code: "facts.vmcoreinfo", message: `Cannot parse ${VMCOREINFO}: ${quoted(text)}` });
  }
  const start = BigInt(`0x${address}`);
  return { start, end: start + BigInt(`0x${size}`) };
}
