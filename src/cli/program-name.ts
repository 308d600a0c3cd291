/** Which of the programs in this file is meant: the name that it was called by tells. */

const VMCORE_DMESG = "vmcore-dmesg";

/** What kexec is, in one sentence without a full stop. */
export const KEXEC_DESCRIPTION =
  "Start another kernel from the running one, without firmware or boot loader";

/** Whether `argv0`, with or without a folder, is vmcore-dmesg. */
export function isVmcoreDmesg(argv0: string): boolean {
  return argv0 === VMCORE_DMESG || argv0.endsWith(`/${VMCORE_DMESG}`);
}
