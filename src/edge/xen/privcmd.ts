/**
 * The privcmd device of Linux on Xen: hypercalls from user space, and memory for their arguments.
 *
 * Xen reads the arguments from the caller's pages and cannot make Linux fault in a page that is
 * missing. So the arguments must be in memory that Linux neither migrates nor reclaims: memory of
 * the hypercall device, or on kernels before 4.18, which lack that device, locked memory.
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

/** The device, and its file in xenfs for kernels before 3.3, which have no device. */
export const PRIVCMD_PATHS = ["/dev/xen/privcmd", "/proc/xen/privcmd"] as const;
const HYPERCALL_DEVICE = "/dev/xen/hypercall";
const PAGE_SIZE = 4096;

/** Memory that a hypercall can read and write. */
export interface HypercallMemory {
  readonly address: bigint;
  /** Must not be used after `free`. */
  readonly bytes: Uint8Array;
  free(): void;
}

/** A number that a method returns is at least 0, or minus the error number. */
export interface Privcmd {
  readonly path: string;
  hypercall(op: number, args: readonly bigint[]): number;
  /** Zeroed memory of at least `size` bytes, 1 to 2^32. */
  allocate(size: number): HypercallMemory | number;
  /** A copy of the contents of machine frames that belong to `domain`; 4096 bytes for each. */
  readFrames(domain: number, frames: readonly bigint[]): Uint8Array | number;
  close(): void;
}

/** Allocates `size` bytes of hypercall memory, returns the result of `use`, and frees the memory;
 * minus the error number where it cannot be allocated. */
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

/** A descriptor of the file, or minus the error number. */
function open(path: string): number {
  try {
    return openSync(path, constants.O_RDWR);
  } catch (error) {
    const errno = error instanceof Error && "errno" in error ? Number(error.errno) : -Errno.EIO;
    return errno < 0 ? errno : -Errno.EIO;
  }
}

/** mmap(2): the address of the new mapping, or minus the error number. */
function map(size: number, protection: number, flags: number, fd: number): bigint {
  const { mmap } = libc().symbols;
  // SAFETY: a new mapping at an address that the kernel chooses changes no other memory. Fails
  // with: ENOMEM no memory, or more locked than RLIMIT_MEMLOCK; EAGAIN; ENODEV not such a device.
  return BigInt(result(mmap(0n, asUlong(size), asInt(protection), asInt(flags), asInt(fd), 0n)));
}

function unmap(address: bigint, size: number): void {
  const { munmap } = libc().symbols;
  // SAFETY: the mapping is ours, and its arrays are not used any more.
  munmap(address, asUlong(size));
}

function bytesAt(address: bigint, size: number): Uint8Array {
  // SAFETY: the mapping has at least `size` bytes and stays until `unmap`; the array has no
  // finalizer.
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
    // SAFETY: the range is our mapping. With MADV_DONTFORK a child does not share it, so Linux
    // never replaces a page by copy-on-write while Xen reads it. Fails with: EINVAL, a bug.
    madvise(address, asUlong(length), asInt(MADV_DONTFORK));
  }
  const bytes = bytesAt(address, length);
  // The device does not clear its pages. Writing to locked pages also makes sure that they exist.
  bytes.fill(0);
  return { address, bytes: bytes.subarray(0, size), free: () => unmap(address, length) };
}

function hypercall(fd: number, op: number, args: readonly bigint[]): number {
  const argument = new Uint8Array(PrivcmdHypercall.size);
  const [arg0 = 0n, arg1 = 0n, arg2 = 0n, arg3 = 0n, arg4 = 0n] = args;
  PrivcmdHypercall.write(argument, { op: BigInt(op), arg0, arg1, arg2, arg3, arg4 });
  // Fails with: ENOSYS no such hypercall; EPERM not dom0, or forbidden by Xen's policy; and the
  // errors of the hypercall itself.
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
    // Fails with: EPERM or EINVAL frames that this domain may not map; ENOENT some frames are paged
    // out.
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

/** Opens the privcmd device, and the hypercall device if there is one. */
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
