/**
 * The kernel's three kexec calls, as the kernel has them. What their flags and errors mean to the
 * user, the files beside this one say.
 */

import { asInt, asUlong, libc, result, strerror } from "../ffi/libc.ts";
import { addressOf, keeping } from "../ffi/pointer.ts";
import { systemCallNumber } from "../ffi/system-call-numbers.ts";

/** LINUX_REBOOT_CMD_KEXEC. [linux include/uapi/linux/reboot.h] */
const REBOOT_KEXEC = 0x45584543;

/** struct kexec_segment: four unsigned longs. [linux include/uapi/linux/kexec.h] */
export interface KexecSegment {
  /** Address in this process; 0 for none. */
  readonly buf: bigint;
  readonly bufsz: bigint;
  /** Physical address. */
  readonly mem: bigint;
  readonly memsz: bigint;
}

/** The calls as the backend sees them. Numbers returned are 0, or minus the error number. */
export interface KexecCalls {
  addressOf(bytes: Uint8Array): bigint;
  /** `memory` holds what the segments' `buf` point into. */
  kexecLoad(
    entry: bigint,
    segments: readonly KexecSegment[],
    memory: readonly Uint8Array[],
    flags: number,
  ): number;
  /** `commandLine` with its NUL; null for none. */
  kexecFileLoad(
    kernelFd: number,
    initrdFd: number,
    commandLine: Uint8Array | null,
    flags: number,
  ): number;
  /** Starts the loaded image; returns only where it failed. */
  rebootKexec(): number;
  strerror(errno: number): string;
}

function segmentTable(segments: readonly KexecSegment[]): Uint8Array {
  const fields = segments.flatMap(({ buf, bufsz, mem, memsz }) => [buf, bufsz, mem, memsz]);
  return new Uint8Array(BigUint64Array.from(fields.map(asUlong)).buffer);
}

/** A negative file descriptor, "none", as the unsigned long that the register holds. */
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
  // SAFETY: the table and what its addresses point into are ours and kept until the call returns;
  // the kernel copies both before that.
  // Fails with: EPERM no CAP_SYS_BOOT, kexec_load_disabled, or lockdown; ENOSYS no kexec in this
  // kernel; EINVAL flags, too many or overlapping segments; EADDRNOTAVAIL a segment outside of the
  // crash region or RAM; EBUSY another load is under way; ENOMEM.
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
  // SAFETY: the text is ours and kept until the call returns; the kernel copies it. The descriptors
  // stay the caller's.
  // Fails with: as kexec_load, and ENOEXEC or EINVAL an image that the kernel does not know or a
  // command line too long; EBADF; EFBIG; and of its signature ENOKEY, EKEYREJECTED, ELIBBAD,
  // ENOPKG, EBADMSG, ENODATA.
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
  // SAFETY: no memory is passed. Fails with: EPERM no CAP_SYS_BOOT; EINVAL nothing is loaded, or no
  // kexec in this kernel; EBUSY a load is under way.
  return result(libc().symbols.reboot(asInt(REBOOT_KEXEC)));
}

/** The real calls; the C library is opened by the first. */
export const kexecCalls: KexecCalls = {
  addressOf,
  kexecLoad,
  kexecFileLoad,
  rebootKexec,
  strerror,
};
