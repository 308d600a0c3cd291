/**
 * Read leases. The kernel grants one on a file that nobody has open for writing, nor mapped so that
 * it can be written to; from then on whoever opens the file for writing, or truncates it, waits
 * until the lease ends, at most /proc/sys/fs/lease-break-time seconds. [fcntl(2)]
 */

import { statfsSync } from "node:fs";
import { fcntl } from "../ffi/device-calls.ts";
import { ignoreLeaseBreaks } from "../ffi/process-calls.ts";
import { errnoOf } from "./errno-of.ts";

/** [linux include/uapi/linux/fcntl.h, include/uapi/asm-generic/fcntl.h] */
const F_SETLEASE = 1024;
const F_GETLEASE = 1025;
const F_RDLCK = 0;
const F_UNLCK = 2;

/** The type of tmpfs, whose pages are the file itself. [linux include/uapi/linux/magic.h] */
export const TMPFS = 0x01021994n;

/**
 * File systems, by the type that statfs(2) has, of which this kernel alone changes what is in a
 * file, through the very inode that the lease is on. Not among them: those with a server, which
 * changes files by itself (NFS, CIFS, 9p, FUSE), and overlayfs, whose inodes have the contents of
 * others. [linux include/uapi/linux/magic.h; fs/ of each]
 */
const LEASED_WHOLLY: ReadonlySet<bigint> = new Set([
  TMPFS,
  // ext2 to ext4, xfs, btrfs, f2fs
  ...[0xef53n, 0x58465342n, 0x9123683en, 0xf2f52010n],
  // squashfs, erofs, iso9660, FAT, exFAT
  ...[0x73717368n, 0xe0f5e1e2n, 0x9660n, 0x4d44n, 0x2011bab0n],
]);

/** The type of the file system that the open file is on; null where it cannot be found out. */
export function fileSystemOf(fd: number): bigint | null {
  try {
    return statfsSync(`/proc/self/fd/${fd}`, { bigint: true }).type;
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
}

/** Whether a lease on a file of this `fileSystem` holds off every change of its contents. */
export const isLeasedWholly = (fileSystem: bigint | null): boolean =>
  fileSystem !== null && LEASED_WHOLLY.has(fileSystem);

/** Takes a read lease; false where it is not granted: somebody writes to the file, or may not be
 * kept from it. */
export function takeReadLease(fd: number): boolean {
  return ignoreLeaseBreaks() && fcntl(fd, F_SETLEASE, F_RDLCK) >= 0;
}

/** Whether the lease was there all the time, and nobody waits for its end to write to the file. */
export const hasReadLease = (fd: number): boolean => fcntl(fd, F_GETLEASE, 0) === F_RDLCK;

/** Ends the lease: whoever waits may write. Without a lease it changes nothing. */
export function endLease(fd: number): void {
  fcntl(fd, F_SETLEASE, F_UNLCK);
}
