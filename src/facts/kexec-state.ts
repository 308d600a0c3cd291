/** kexec's own files under /sys/kernel and /proc/sys/kernel, one number each. */

import { fail } from "../core/error.ts";
import { normalize, type Range, range } from "../core/range.ts";
import { parseNumber, quoted } from "./sysfs-number.ts";

/**
 * The file of each fact; a second path is that of newer kernels, which no longer have the first.
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

const BLANK = /^[ \t]*$/;

/**
 * Memory that `crashkernel=SIZE,cma` reserves besides the crash region: the running kernel may have
 * movable pages there, and the crash kernel uses it as RAM. /proc/iomem does not list it.
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
  const lines = text.split("\n").filter((line) => !BLANK.test(line));
  return normalize(
    lines.map((line) => {
      const [, first, last] = /^[ \t]*([0-9a-f]{1,16})-([0-9a-f]{1,16})[ \t]*$/i.exec(line) ?? [];
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
