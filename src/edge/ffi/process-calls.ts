/** The calls of the C library that precede the start of another kernel: sync, exec, interfaces. */

import { read } from "bun:ffi";
import { asUlong, libc, result } from "./libc.ts";
import { addressOf, asPointer, cString, keeping, textAt } from "./pointer.ts";

/** Writes all file system caches to disk, and returns when they are written. [sync(2)] */
export function sync(): void {
  // SAFETY: no memory is passed. It cannot fail.
  libc().symbols.sync();
}

/**
 * Replaces this program by the one at `path`. Returns only on failure: minus the error number.
 * The new program does not inherit the descriptors of node:fs, which are close-on-exec, and it
 * inherits which signals are ignored. [execv(3)]
 */
export function execv(path: string, argv: readonly string[]): number {
  const texts = [path, ...argv].map(cString);
  const [program = 0n, ...words] = texts.map(addressOf);
  const vector = new Uint8Array(BigUint64Array.from([...words, 0n]).buffer);
  // SAFETY: path, words and vector are ours and kept until the call returns.
  // Fails with: ENOENT no such file; EACCES not executable; ENOEXEC neither binary nor script.
  return keeping([texts, vector], () =>
    result(libc().symbols.execv(asUlong(program), addressOf(vector))),
  );
}

/** The same numbers on x86_64 and arm64. [linux include/uapi/asm-generic/signal.h] */
const SIGPIPE = 13;
const SIGXFSZ = 25;
const SIGIO = 29;
const SIG_DFL = 0n;
const SIG_IGN = 1n;

/** Ignores SIGIO, whose default action ends the program: the kernel sends it to the holder of a
 * lease when another process opens the file. Returns whether that was possible. [fcntl(2)] */
export function ignoreLeaseBreaks(): boolean {
  // SAFETY: to ignore a signal takes no address. Fails with: EPERM from a seccomp filter.
  return libc().symbols.signal(SIGIO, SIG_IGN) !== -1n;
}

/** Restores the default action of the signals that the runtime and `ignoreLeaseBreaks` ignore,
 * since an exec'd program would inherit that they are ignored. */
export function restoreDefaultSignals(): void {
  const { signal } = libc().symbols;
  // SAFETY: the default action is no address. Fails with: EINVAL, which these numbers exclude.
  for (const number of [SIGPIPE, SIGXFSZ, SIGIO]) signal(number, SIG_DFL);
}

/** struct if_nameindex: an `unsigned int`, padding, and a pointer. [if_nameindex(3)] */
const IF_NAMEINDEX_SIZE = 16;
const IF_NAME_OFFSET = 8;

/** Names of all network interfaces, in the kernel's order; or minus the error number. */
export function networkInterfaceNames(): string[] | number {
  const { if_nameindex, if_freenameindex } = libc().symbols;
  // SAFETY: the list is valid until it is freed below; its last entry has index 0, and the names of
  // the entries before it end with a NUL. Fails with: ENOBUFS, and the errors of socket(2).
  const list = if_nameindex();
  if (list === null) return Number(result(-1));
  const names: string[] = [];
  for (let at = 0; read.u32(list, at) !== 0; at += IF_NAMEINDEX_SIZE) {
    names.push(textAt(asPointer(BigInt(read.ptr(list, at + IF_NAME_OFFSET)))));
  }
  if_freenameindex(list);
  return names;
}

/** [linux include/linux/socket.h, include/linux/net.h] */
const AF_INET = 2;
const AF_NETLINK = 16;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;

/**
 * A socket for ioctls on network interfaces, owned by the caller; or minus the error number. Every
 * address family serves, but netlink only since Linux 4.17: so IPv4 is tried first, and netlink on
 * a kernel without IPv4.
 */
export function interfaceSocket(): number {
  const { socket } = libc().symbols;
  // SAFETY: no memory is passed. Fails with: EMFILE; EAFNOSUPPORT no such family in this kernel.
  const inet = result(socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0));
  return inet >= 0 ? inet : result(socket(AF_NETLINK, SOCK_DGRAM_CLOEXEC, 0));
}
