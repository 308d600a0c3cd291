/** Numbers of the system calls for which some or all C libraries have no function, or none that
 * takes the kernel's own structure. */

import { ExitStatus, fail } from "../../core/error.ts";

/** [linux arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h] */
const NUMBERS = {
  x64: {
    kexec_load: 246,
    kexec_file_load: 320,
    getrandom: 318,
    memfd_create: 319,
    rt_sigaction: 13,
  },
  arm64: {
    kexec_load: 104,
    kexec_file_load: 294,
    getrandom: 278,
    memfd_create: 279,
    rt_sigaction: 134,
  },
} as const;

export type SystemCall = keyof (typeof NUMBERS)["x64"];

/** The number of `call` on this machine's architecture.
 * @throws KexecError `host.architecture` on an architecture other than x86_64 and arm64 */
export function systemCallNumber(call: SystemCall): number {
  const { arch } = process;
  if (arch === "x64" || arch === "arm64") return NUMBERS[arch][call];
  return fail({
    code: "host.architecture",
    message: `cannot make system calls on ${arch}: this program supports x86_64 and arm64`,
    exitStatus: ExitStatus.failed,
  });
}
