/**
 * Where the running kernel leaves what a crash dump needs: its CPUs' states and its vmcoreinfo.
 * [linux drivers/base/cpu.c, kernel/ksysfs.c]
 */

import { ADDRESS_END } from "../core/address.ts";
import { fail } from "../core/error.ts";
import type { Range } from "../core/range.ts";
import { quoted } from "./sysfs-number.ts";

export const CPU_DIRECTORY = "/sys/devices/system/cpu";
export const VMCOREINFO = "/sys/kernel/vmcoreinfo";

/** Without crash_notes_size: kernels before 3.10. [kexec-tools] */
const NOTE_BYTES_BEFORE_3_10 = "1024";
/** Notes of a size beyond this are none: a CPU's take some hundred bytes, vmcoreinfo a page. */
const SIZE_MAX = 1n << 24n;

/** What begins at `address` and has `size` bytes, both above 0; null for what cannot be. */
function place(address: bigint, size: bigint): Range | null {
  const end = address + size;
  const possible = address > 0n && size > 0n && size <= SIZE_MAX && end <= ADDRESS_END;
  return possible ? { start: address, end } : null;
}

/**
 * The notes of one CPU.
 * @param notes text of crash_notes: the physical address, hexadecimal without `0x`
 * @param size text of crash_notes_size: bytes, decimal; null where there is no such file
 * @param file names the first, for errors
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
 * The vmcoreinfo note: `0x000000000134c000 1024`, address and size, both hexadecimal.
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
