/** kexec's own files under /sys/kernel and /proc/sys/kernel, one number each. */

import { fail } from "../core/error.ts";
import { normalize, type Range, range } from "../core/range.ts";
import { parseNumber, quoted } from "./sysfs-number.ts";

/**
 * Each fact's file, and the file that a kernel has which no longer has the first.
 * [linux Documentation/ABI/testing/sysfs-kernel-kexec-kdump]
 */
export const KEXEC_STATE_FILES = {
  loaded: ["/sys/kernel/kexec_loaded", "/sys/kernel/kexec/loaded"],
  crashLoaded: ["/sys/kernel/kexec_crash_loaded", "/sys/kernel/kexec/crash_loaded"],
  crashSize: ["/sys/kernel/kexec_crash_size", "/sys/kernel/kexec/crash_size"],
  loadDisabled: ["/proc/sys/kernel/kexec_load_disabled"],
  crashElfcorehdrSize: [
    "/sys/kernel/crash_elfcorehdr_size",
    "/sys/kernel/kexec/crash_elfcorehdr_size",
  ],
} as const;

/**
 * Memory that `crashkernel=SIZE,cma` reserved besides the crash region: the running kernel's movable
 * pages may be in it, and the crash kernel has it as RAM. It is in no /proc/iomem.
 * [linux Documentation/ABI/testing/sysfs-kernel-kexec-kdump]
 */
export const CRASH_CMA_RANGES = [
  "/sys/kernel/kexec/crash_cma_ranges",
  "/sys/kernel/kexec_crash_cma_ranges",
] as const;

/**
 * The ranges, a line `START-END` each: hexadecimal, the end inclusive. Sorted and disjoint.
 * @throws KexecError `facts.number` for a line of another form
 */
export function parseCrashCma(text: string, file: string): Range[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return normalize(
    lines.map((line) => {
      const [, first, last] = /^\s*([0-9a-f]{1,16})-([0-9a-f]{1,16})\s*$/i.exec(line) ?? [];
      if (first !== undefined && last !== undefined) {
        return range(BigInt(`0x${first}`), BigInt(`0x${last}`) + 1n);
      }
      return fail({
        code: "facts.number",
        message: `${file}: ${quoted(line)} is no range START-END`,
      });
    }),
  );
}

/** True for any number but 0, as in kexec-tools. @throws KexecError `facts.number` */
export function parseKexecFlag(text: string, file: string): boolean {
  return parseNumber(text, file) !== 0n;
}

/** A size in bytes. @throws KexecError `facts.number` */
export function parseKexecSize(text: string, file: string): bigint {
  return parseNumber(text, file);
}
