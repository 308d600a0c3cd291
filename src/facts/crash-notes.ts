/**
 * Where the running kernel keeps what a crash dump needs: the register notes of each CPU and the
 * vmcoreinfo note. [linux drivers/base/cpu.c, kernel/ksysfs.c]
 */

import { ADDRESS_END } from "../core/address.ts";
import { fail } from "../core/error.ts";
import type { Range } from "../core/range.ts";
import { quoted } from "./sysfs-number.ts";

export const CPU_DIRECTORY = "/sys/devices/system/cpu";
export const VMCOREINFO = "/sys/kernel/vmcoreinfo";

/** The size of a CPU's notes on kernels before 3.10, which have no crash_notes_size.
 * [kexec-tools] */
const NOTE_BYTES_BEFORE_3_10 = "1024";
/** The largest size that is plausible, 16 MiB: a CPU's notes take some hundred bytes, vmcoreinfo
 * takes a page. */
const SIZE_MAX = 1n << 24n;

/** The range of `size` bytes at `address`; null where either is 0, or the size or the end is too
 * large. */
function place(address: bigint, size: bigint): Range | null {
  const end = address + size;
  const possible = address > 0n && size > 0n && size <= SIZE_MAX && end <= ADDRESS_END;
  return possible ? { start: address, end } : null;
}

/**
 * The physical range of one CPU's notes.
 * @param notes text of crash_notes: the physical address, hexadecimal without `0x`
 * @param size text of crash_notes_size: bytes, decimal; null where there is no such file
 * @param file path of crash_notes, for errors
 * @throws KexecError `facts.crash-notes`
 */
export function parseCrashNotes(notes: string, size: string | null, file: string): Range {
  const cannot = (path: string, text: string): never =>
    fail({ code: "facts.crash-notes", message: `Cannot parse ${path}: ${quoted(text)}` });
  const [, bytes] = /^([0-9]{1,16})[ \t\n]*$/.exec(size ?? NOTE_BYTES_BEFORE_3_10) ?? [];
  if (bytes === undefined || BigInt(bytes) === 0n || BigInt(bytes) > SIZE_MAX) {
    return cannot(`${file}_size`, size ?? "");
  }
  const [, address] = /^(?:0x)?([0-9a-f]{1,16})[ \t\n]*$/i.exec(notes) ?? [];
  const found = address === undefined ? null : place(BigInt(`0x${address}`), BigInt(bytes));
  return found ?? cannot(file, notes);
}

/**
 * The physical range of the vmcoreinfo note. `text` has its address and its size in bytes, both
 * hexadecimal: `0x000000000134c000 1024`.
 * @throws KexecError `facts.vmcoreinfo`
 */
export function parseVmcoreinfoPlace(text: string): Range {
  const [, address, size] =
    /^(?:0x)?([0-9a-f]{1,16}) (?:0x)?([0-9a-f]{1,16})[ \t\n]*$/i.exec(text) ?? [];
  const found =
    address === undefined || size === undefined
      ? null
      : place(BigInt(`0x${address}`), BigInt(`0x${size}`));
  if (found !== null) return found;
  return fail({ code: "facts.vmcoreinfo", message: `Cannot parse ${VMCOREINFO}: ${quoted(text)}` });
}
