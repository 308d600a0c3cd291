/** Calls on open files that `node:fs` does not have, and the kernel's random numbers. */

import { asInt, asUlong, libc, result } from "./libc.ts";
import { addressOf, cString, keeping } from "./pointer.ts";
import { systemCallNumber } from "./system-call-numbers.ts";

/**
 * ioctl(2) with a structure that the driver reads, writes, or both. `argument` must be as long as
 * the structure of `request`. Returns at least 0, or minus the error number.
 */
export function ioctl(fd: number, request: number, argument: Uint8Array): number {
  // SAFETY: `argument` is the caller's and kept until the call returns; the caller guarantees its
  // length. Fails with: EBADF, ENOTTY not such a device, and the driver's own errors.
  return keeping([argument], () =>
    result(libc().symbols.ioctl(asInt(fd), asUlong(request), addressOf(argument))),
  );
}

/** fcntl(2) with a number as its argument. Returns at least 0, or minus the error number. */
export function fcntl(fd: number, command: number, argument: number): number {
  const { fcntl: call } = libc().symbols;
  // SAFETY: no memory is passed. Fails with: EBADF, EINVAL no such command, or none for such a
  // file; EAGAIN, EACCES; and EPERM from a seccomp filter.
  return result(call(asInt(fd), asInt(command), BigInt(asInt(argument))));
}

/** [linux include/uapi/linux/random.h] */
const GRND_NONBLOCK = 1;

/** `length` random bytes, at most 256; null where the kernel's generator is not ready, or there is
 * no getrandom(2). */
export function getrandom(length: number): Uint8Array | null {
  const bytes = new Uint8Array(length);
  const { syscall } = libc().symbols;
  // SAFETY: `bytes` are ours and kept until the call returns. Fails with: EAGAIN not ready yet;
  // ENOSYS before Linux 3.17. The kernel never returns fewer bytes where up to 256 are requested.
  const got = keeping([bytes], () =>
    result(
      syscall(
        systemCallNumber("getrandom"),
        addressOf(bytes),
        asUlong(length),
        asUlong(GRND_NONBLOCK),
        0n,
        0n,
      ),
    ),
  );
  return Number(got) === length ? bytes : null;
}

const SEEK_SET = 0;
const SEEK_END = 2;

/** Size in bytes of the file or device at `fd`, from a seek to its end and back to its start; or
 * minus the error number: ESPIPE where `fd` cannot seek. */
export function seekableSize(fd: number): number {
  const { lseek } = libc().symbols;
  // SAFETY: no memory is passed. Fails with: ESPIPE a pipe, a terminal; EINVAL.
  const end = Number(result(lseek(asInt(fd), 0n, SEEK_END)));
  if (end < 0) return end;
  const start = Number(result(lseek(asInt(fd), 0n, SEEK_SET)));
  return start < 0 ? start : end;
}

/** [linux include/uapi/linux/memfd.h] */
const MFD_CLOEXEC = 1;

/**
 * Creates an empty file in memory; the caller owns the descriptor, which is open for reading and
 * writing. Returns it, or minus the error number. `name` appears in /proc/PID/fd. [memfd_create(2)]
 */
export function memfdCreate(name: string): number {
  const text = cString(name);
  const { syscall } = libc().symbols;
  // SAFETY: the name is ours and kept until the call returns. Fails with: EMFILE; ENOSYS before
  // Linux 3.17, which has no kexec_file_load either, or from a seccomp filter; EPERM; EACCES.
  return keeping([text], () =>
    Number(
      result(
        syscall(
          systemCallNumber("memfd_create"),
          addressOf(text),
          asUlong(MFD_CLOEXEC),
          0n,
          0n,
          0n,
        ),
      ),
    ),
  );
}
