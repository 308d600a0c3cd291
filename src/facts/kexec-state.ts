/** kexec's own files under /sys/kernel and /proc/sys/kernel, one number each. */

import { parseNumber } from "./sysfs-number.ts";

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

/** True for any number but 0, as in kexec-tools. @throws KexecError `facts.number` */
export function parseKexecFlag(text: string, file: string): boolean {
  return parseNumber(text, file) !== 0n;
}

/** A size in bytes. @throws KexecError `facts.number` */
export function parseKexecSize(text: string, file: string): bigint {
  return parseNumber(text, file);
}
