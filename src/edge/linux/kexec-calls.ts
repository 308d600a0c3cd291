/**
 * The kernel's kexec calls: kexec_load(2), kexec_file_load(2), and reboot(2) with
 * LINUX_REBOOT_CMD_KEXEC. load-segments.ts and load-files.ts have their flags, explain-refusal.ts
 * their errors.
 */

import { asInt, asUlong, libc, result, strerror } from "../ffi/libc.ts";
import { addressOf, keeping } from "../ffi/pointer.ts";
import { systemCallNumber } from "../ffi/system-call-numbers.ts";

/** LINUX_REBOOT_CMD_KEXEC. [linux include/uapi/linux/reboot.h] */
const REBOOT_KEXEC = 0x45584543;

/** struct kexec_segment: four unsigned longs. [linux include/uapi/linux/kexec.h] */
export interface KexecSegment {
  /** Address in this process's memory; 0 for a segment without bytes. */
  readonly buf: bigint;
  /** In bytes. */
  readonly bufsz: bigint;
  /** Physical address. */
  readonly mem: bigint;
  /** In bytes. */
  readonly memsz: bigint;
}

/** The kexec calls. Those that return a number return 0, or minus the error number. */
export interface KexecCalls {
  addressOf(bytes: Uint8Array): bigint;
  /** `memory` has the arrays whose addresses are the segments' `buf`. */
  kexecLoad(
    entry: bigint,
    segments: readonly KexecSegment[],
    memory: readonly Uint8Array[],
    flags: number,
  ): number;
  /** `commandLine` ends with a NUL; null for no command line. A descriptor of -1 is none. */
  kexecFileLoad(
    kernelFd: number,
    initrdFd: number,
    commandLine: Uint8Array | null,
    flags: number,
  ): number;
  /** Starts the loaded image. Returns minus the error number if that fails, and 0 if the started
   * kernel jumps back. */
  rebootKexec(): number;
  strerror(errno: number): string;
}

function segmentTable(segments: readonly KexecSegment[]): Uint8Array {
  const fields = segments.flatMap(({ buf, bufsz, mem, memsz }) => [buf, bufsz, mem, memsz]);
  return new Uint8Array(BigUint64Array.from(fields.map(asUlong)).buffer);
}

/** A file descriptor as an unsigned long for the register; -1, for no file, is sign-extended. */
function asDescriptor(fd: number): bigint {
  return BigInt.asUintN(64, BigInt(asInt(fd)));
}

function kexecLoad(
  entry: bigint,
  segments: readonly KexecSegment[],
  memory: readonly Uint8Array[],
  flags: number,
): number {
  const table = segmentTable(segments);
  // SAFETY: the table and the arrays that it points to are ours and kept until the call returns;
  // the kernel copies both before it returns.
  // Fails with: EPERM no CAP_SYS_BOOT, kexec_load_disabled, or lockdown; ENOSYS no kexec in this
  // kernel; EINVAL unknown flags, too many or overlapping segments; EADDRNOTAVAIL a segment that is
  // not page-aligned or outside of the crash region; EBUSY another load is under way; ENOMEM.
  return keeping([table, memory], () =>
    Number(
      result(
        libc().symbols.syscall(
          systemCallNumber("kexec_load"),
          asUlong(entry),
          asUlong(segments.length),
          addressOf(table),
          asUlong(flags),
          0n,
        ),
      ),
    ),
  );
}

function kexecFileLoad(
  kernelFd: number,
  initrdFd: number,
  commandLine: Uint8Array | null,
  flags: number,
): number {
  const text = commandLine ?? new Uint8Array(0);
  // SAFETY: the text is ours and kept until the call returns; the kernel copies it. The caller
  // keeps the descriptors.
  // Fails with: the errors of kexec_load; ENOEXEC or EINVAL an unknown image type or too long a
  // command line; EBADF; EFBIG; and from the signature check ENOKEY, EKEYREJECTED, ELIBBAD, ENOPKG,
  // EBADMSG, ENODATA.
  return keeping([text], () =>
    Number(
      result(
        libc().symbols.syscall(
          systemCallNumber("kexec_file_load"),
          asDescriptor(kernelFd),
          asDescriptor(initrdFd),
          asUlong(text.length),
          addressOf(text),
          asUlong(flags),
        ),
      ),
    ),
  );
}

function rebootKexec(): number {
  // SAFETY: no memory is passed. Fails with: EPERM no CAP_SYS_BOOT; EINVAL no image is loaded, or
  // the kernel has no kexec; EBUSY a load is under way.
  return result(libc().symbols.reboot(asInt(REBOOT_KEXEC)));
}

/** The real calls; the first one opens the C library. */
export const kexecCalls: KexecCalls = {
  addressOf,
  kexecLoad,
  kexecFileLoad,
  rebootKexec,
  strerror,
};
