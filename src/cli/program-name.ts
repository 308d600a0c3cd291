/** The executable contains two programs, kexec and vmcore-dmesg. The name that it was called by
 * selects one. */

const VMCORE_DMESG = "vmcore-dmesg";

/** One line that describes kexec, without a full stop. */
export const KEXEC_DESCRIPTION =
  "Start another kernel from the running one, without firmware or boot loader";

/** True if `argv0`, with or without a directory, names vmcore-dmesg. */
export function isVmcoreDmesg(argv0: string): boolean {
  return argv0 === VMCORE_DMESG || argv0.endsWith(`/${VMCORE_DMESG}`);
}
