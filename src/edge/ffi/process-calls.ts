/** What this program does to the machine and to itself before another kernel starts. */

import { read } from "bun:ffi";
import { asUlong, libc, result } from "./libc.ts";
import { addressOf, asPointer, cString, keeping, textAt } from "./pointer.ts";

/** Writes all file systems' caches to their disks, and returns when that is done. */
export function sync(): void {
  // SAFETY: no memory is passed. It cannot fail.
  libc().symbols.sync();
}

/**
 * Replaces this program. Returns only where that failed: minus the error number.
 * Files opened by node:fs do not survive; signals that are ignored stay ignored.
 */
export function execv(path: string, argv: readonly string[]): number {
  const texts = [path, ...argv].map(cString);
  const [program = 0n, ...words] = texts.map(addressOf);
  const vector = new Uint8Array(BigUint64Array.from([...words, 0n]).buffer);
  // SAFETY: path, words and vector are ours and kept until the call returns, if it does.
  // Fails with: ENOENT no such file; EACCES not executable; ENOEXEC neither binary nor script.
  return keeping([texts, vector], () =>
    result(libc().symbols.execv(asUlong(program), addressOf(vector))),
  );
}

/** [linux include/uapi/asm-generic/signal.h]; the numbers of x86_64 and arm64. */
const SIGPIPE = 13;
const SIGXFSZ = 25;
const SIG_DFL = 0n;

/** Undoes what the runtime ignores, since a program that is exec'd would inherit it. */
export function restoreDefaultSignals(): void {
  const { signal } = libc().symbols;
  // SAFETY: the default action is no address. Fails with: EINVAL, which these numbers exclude.
  for (const number of [SIGPIPE, SIGXFSZ]) signal(number, SIG_DFL);
}

/** struct if_nameindex: `unsigned int` and, aligned, a pointer. [if_nameindex(3)] */
const IF_NAMEINDEX_SIZE = 16;
const IF_NAME_OFFSET = 8;

/** Names of all network interfaces, in the kernel's order; or minus the error number. */
export function networkInterfaceNames(): string[] | number {
  const { if_nameindex, if_freenameindex } = libc().symbols;
  // SAFETY: the list is the library's until it is freed below; its last entry has index 0, and
  // names before that are texts with a NUL. Fails with: ENOBUFS, and what socket(2) says.
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
 * A socket for ioctls on interfaces, owned by the caller; or minus the error number. Any family
 * does; before Linux 4.17 netlink did not, and a kernel may be without IPv4.
 */
export function interfaceSocket(): number {
  const { socket } = libc().symbols;
  // SAFETY: no memory is passed. Fails with: EMFILE; EAFNOSUPPORT no such family in this kernel.
  const inet = result(socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0));
  return inet >= 0 ? inet : result(socket(AF_NETLINK, SOCK_DGRAM_CLOEXEC, 0));
}
