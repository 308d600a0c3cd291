/**
 * The privcmd device of a Linux that runs on Xen: hypercalls from user space, and memory for them.
 *
 * Xen copies arguments from the caller's pages as they are at that moment and cannot make Linux
 * bring one back, so they must lie in memory that Linux neither moves nor takes away: that of the
 * hypercall device, or on kernels before 4.18 locked memory.
 */

import { toArrayBuffer } from "bun:ffi";
import { constants, existsSync, openSync } from "node:fs";
import { ioctl } from "../ffi/device-calls.ts";
import { Errno } from "../ffi/errno.ts";
import { asInt, asUlong, libc, result } from "../ffi/libc.ts";
import { addressOf, asPointer, keeping } from "../ffi/pointer.ts";
import { closeRead } from "../files/close.ts";
import {
  IOCTL_PRIVCMD_HYPERCALL,
  IOCTL_PRIVCMD_MMAPBATCH_V2,
  PrivcmdHypercall,
  PrivcmdMmapbatchV2,
} from "./structs.ts";

/** The second is xenfs's, where the first is missing: kernels before 3.3. */
export const PRIVCMD_PATHS = ["/dev/xen/privcmd", "/proc/xen/privcmd"] as const;
const HYPERCALL_DEVICE = "/dev/xen/hypercall";
const PAGE_SIZE = 4096;

/** Memory that a hypercall can read and write. */
export interface HypercallMemory {
  readonly address: bigint;
  /** Void after `free`. */
  readonly bytes: Uint8Array;
  free(): void;
}

/** Where a method returns a number, it is at least 0, or minus the error number. */
export interface Privcmd {
  readonly path: string;
  hypercall(op: number, args: readonly bigint[]): number;
  /** Zeroed memory of at least `size` bytes, 1 to 2^32. */
  allocate(size: number): HypercallMemory | number;
  /** What is in machine frames that belong to `domain`, copied. */
  readFrames(domain: number, frames: readonly bigint[]): Uint8Array | number;
  close(): void;
}

/** What `use` says of `size` bytes of hypercall memory, which is freed after it; minus the error
 * number where there is none. */
export function withMemory<T>(
  privcmd: Privcmd,
  size: number,
  use: (memory: HypercallMemory) => T,
): T | number {
  const memory = privcmd.allocate(size);
  if (typeof memory === "number") return memory;
  try {
    return use(memory);
  } finally {
    memory.free();
  }
}

/** [linux include/uapi/asm-generic/mman-common.h, mman.h] */
const PROT_READ = 1;
const PROT_READ_WRITE = 1 | 2;
const MAP_SHARED = 0x01;
const MAP_PRIVATE_ANONYMOUS_LOCKED = 0x02 | 0x20 | 0x2000;
const MADV_DONTFORK = 10;

/** The file opened, or minus the error number. */
function open(path: string): number {
  try {
    return openSync(path, constants.O_RDWR);
  } catch (error) {
    const errno = error instanceof Error && "errno" in error ? Number(error.errno) : -Errno.EIO;
    return errno < 0 ? errno : -Errno.EIO;
  }
}

/** An address, or minus the error number. */
function map(size: number, protection: number, flags: number, fd: number): bigint {
  const { mmap } = libc().symbols;
  // SAFETY: a new mapping at a place of the kernel's choice touches nothing else. Fails with:
  // ENOMEM no memory, or more locked than RLIMIT_MEMLOCK; EAGAIN; ENODEV not such a device.
  return BigInt(result(mmap(0n, asUlong(size), asInt(protection), asInt(flags), asInt(fd), 0n)));
}

function unmap(address: bigint, size: number): void {
  const { munmap } = libc().symbols;
  // SAFETY: the mapping is ours, and its arrays are void from here on, as their owners know.
  munmap(address, asUlong(size));
}

function bytesAt(address: bigint, size: number): Uint8Array {
  // SAFETY: the mapping is `size` bytes long and stays until `unmap`; the array gets no finalizer.
  return new Uint8Array(toArrayBuffer(asPointer(address), 0, size));
}

const wholePages = (size: number): number => Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;

function allocate(hypercallFd: number, size: number): HypercallMemory | number {
  const length = wholePages(size);
  const ofDevice = hypercallFd >= 0;
  const flags = ofDevice ? MAP_SHARED : MAP_PRIVATE_ANONYMOUS_LOCKED;
  const address = map(length, PROT_READ_WRITE, flags, hypercallFd);
  if (address <= 0n) return address === 0n ? -Errno.ENOMEM : Number(address);
  if (!ofDevice) {
    const { madvise } = libc().symbols;
    // SAFETY: the range is our mapping. A child gets no copy of it, so no page of it is ever copied
    // on write while Xen reads it. Fails with: EINVAL, a bug.
    madvise(address, asUlong(length), asInt(MADV_DONTFORK));
  }
  const bytes = bytesAt(address, length);
  // The device gives pages as they were, and locked ones are there when they were touched.
  bytes.fill(0);
  return { address, bytes: bytes.subarray(0, size), free: () => unmap(address, length) };
}

function hypercall(fd: number, op: number, args: readonly bigint[]): number {
  const argument = new Uint8Array(PrivcmdHypercall.size);
  const [arg0 = 0n, arg1 = 0n, arg2 = 0n, arg3 = 0n, arg4 = 0n] = args;
  PrivcmdHypercall.write(argument, { op: BigInt(op), arg0, arg1, arg2, arg3, arg4 });
  // Fails with: ENOSYS no such hypercall; EPERM not dom0, or by Xen's policy; and what the
  // hypercall itself says.
  return ioctl(fd, IOCTL_PRIVCMD_HYPERCALL, argument);
}

function readFrames(fd: number, domain: number, frames: readonly bigint[]): Uint8Array | number {
  const size = frames.length * PAGE_SIZE;
  const address = map(size, PROT_READ, MAP_SHARED, fd);
  if (address <= 0n) return address === 0n ? -Errno.ENOMEM : Number(address);
  try {
    const numbers = new Uint8Array(BigUint64Array.from(frames).buffer);
    const errors = new Int32Array(frames.length);
    const errorBytes = new Uint8Array(errors.buffer);
    const argument = new Uint8Array(PrivcmdMmapbatchV2.size);
    PrivcmdMmapbatchV2.write(argument, {
      num: frames.length,
      dom: domain,
      addr: address,
      arr: addressOf(numbers),
      err: addressOf(errorBytes),
    });
    // Fails with: EPERM or EINVAL frames that this domain may not see; ENOENT some of them are not
    // there now.
    const status = keeping([numbers, errorBytes], () =>
      ioctl(fd, IOCTL_PRIVCMD_MMAPBATCH_V2, argument),
    );
    if (status < 0) return status;
    return errors.find((error) => error !== 0) ?? bytesAt(address, size).slice();
  } finally {
    unmap(address, size);
  }
}

/** Why the device cannot be used. */
export interface NoPrivcmd {
  readonly path: string;
  readonly errno: number;
}

/** Opens the device. */
export function openPrivcmd(): Privcmd | NoPrivcmd {
  const path = PRIVCMD_PATHS.find((one) => existsSync(one)) ?? PRIVCMD_PATHS[0];
  const fd = open(path);
  if (fd < 0) return { path, errno: -fd };
  const hypercallFd = open(HYPERCALL_DEVICE);
  return {
    path,
    hypercall: (op, args) => hypercall(fd, op, args),
    allocate: (size) => allocate(hypercallFd, size),
    readFrames: (domain, frames) => readFrames(fd, domain, frames),
    close() {
      closeRead(fd);
      if (hypercallFd >= 0) closeRead(hypercallFd);
    },
  };
}
