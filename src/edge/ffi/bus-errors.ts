/**
 * What becomes of SIGBUS in a mapped file. A page that was dropped from memory and cannot be read
 * again, or that is no longer in the file, raises SIGBUS where it is touched, and the signal's
 * default action ends the program. Here a handler puts zeros in place of such a page, and notes it:
 * whoever has the mapping asks `failed` before it uses what it has read.
 *
 * The handler is machine code of its own (bus-error-code.ts), since no JavaScript can run while an
 * instruction waits for its page. It leaves every other SIGBUS to the action that was set before,
 * the runtime's.
 */

import { read, toArrayBuffer } from "bun:ffi";
import { busErrorCode, HANDLER_AT } from "./bus-error-code.ts";
import { asInt, asUlong, libc, result } from "./libc.ts";
import { addressOf, asPointer, keeping } from "./pointer.ts";
import { systemCallNumber } from "./system-call-numbers.ts";

/** [linux include/uapi/asm-generic/mman-common.h, mman.h] */
const PROT_READ_WRITE = 1 | 2;
const PROT_READ_EXEC = 1 | 4;
const MAP_PRIVATE_ANONYMOUS = 0x02 | 0x20;

/** The code takes the first pages, and its data the ones behind: 64 KiB is the largest page of
 * Linux on x86_64 and arm64. bus-error-x64.S has the same numbers. */
const HANDLER_PAGES = 0x10000;
const SIZE = 2 * HANDLER_PAGES;

/** The data: a table of mappings (start, end, whether a page failed: each 8 bytes), and behind it
 * the action that was set before, a struct sigaction. */
const MAPPINGS = 32;
const ENTRY_SIZE = 24;
const ENTRY_FAILED = 16;
const PREVIOUS_ACTION = MAPPINGS * ENTRY_SIZE;

/** [linux include/uapi/asm-generic/signal.h] */
const SIGBUS = 7;
const SIGNAL_SET_SIZE = 8;
const SA_SIGINFO = 0x4n;
const SA_RESTORER = 0x04000000n;
const SA_ONSTACK = 0x08000000n;

interface Handler {
  /** Address of its data. */
  readonly data: bigint;
  /** In bytes. */
  readonly pageSize: number;
}

/** null: there is none; undefined: not yet tried. */
let handler: Handler | null | undefined;

/** Installs the handler; null where this architecture has no code for it, or the system refuses. */
function install(): Handler | null {
  const found = busErrorCode();
  if (found === null) return null;
  const { code, pageSize } = found;
  const { mmap, munmap } = libc().symbols;
  // SAFETY: a new mapping at an address that the kernel chooses changes no other memory. Fails
  // with: ENOMEM no memory.
  const base = BigInt(
    result(mmap(0n, asUlong(SIZE), PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, asInt(-1), 0n)),
  );
  if (base <= 0n) return null;
  // SAFETY: the mapping is longer than the code, and ours.
  new Uint8Array(toArrayBuffer(asPointer(base), 0, code.length)).set(code);
  if (makeExecutable(base) && setAction(base)) {
    return { data: base + asUlong(HANDLER_PAGES), pageSize };
  }
  // SAFETY: the mapping is ours, and nothing refers to it.
  munmap(base, asUlong(SIZE));
  return null;
}

function makeExecutable(base: bigint): boolean {
  const { mprotect } = libc().symbols;
  // SAFETY: the range is the first half of our mapping. Fails with: EACCES, EPERM where an LSM
  // (SELinux) or a seccomp filter forbids to make memory executable.
  return mprotect(base, asUlong(HANDLER_PAGES), asInt(PROT_READ_EXEC)) === 0;
}

/** Sets the action of SIGBUS, and has the kernel write the previous one into the handler's data. */
function setAction(base: bigint): boolean {
  const entry = base + asUlong(HANDLER_AT);
  const previous = base + asUlong(HANDLER_PAGES + PREVIOUS_ACTION);
  const flags = SA_SIGINFO | SA_RESTORER | SA_ONSTACK;
  // struct sigaction: handler, flags, restorer, and a mask of signals to block.
  // [linux include/linux/signal_types.h]
  const action = new Uint8Array(BigUint64Array.of(entry, flags, base, 0n).buffer);
  const { syscall } = libc().symbols;
  // SAFETY: the action is ours and kept until the call returns; the handler and the place of the
  // previous action stay mapped for the life of the process. Fails with: EPERM from a seccomp
  // filter.
  return keeping(
    [action],
    () =>
      syscall(
        systemCallNumber("rt_sigaction"),
        asUlong(SIGBUS),
        addressOf(action),
        previous,
        asUlong(SIGNAL_SET_SIZE),
        0n,
      ) === 0n,
  );
}

/** A mapping whose pages may fail. */
export interface Guard {
  /** Whether a page has failed: from that page on the mapping has zeros. */
  failed(): boolean;
  /** To be called before the mapping is unmapped. */
  end(): void;
}

/**
 * Guards a mapping, which must not have been touched yet.
 * @param start its address, that of a page
 * @param size in bytes
 * @returns null where it cannot be guarded: no handler is to be had, or it guards too many already
 */
export function guardMapping(start: bigint, size: number): Guard | null {
  if (handler === undefined) handler = install();
  if (handler === null) return null;
  const { data, pageSize } = handler;
  // SAFETY: the table is ours, and stays mapped for the life of the process.
  const table = new BigUint64Array(toArrayBuffer(asPointer(data), 0, PREVIOUS_ACTION));
  const words = ENTRY_SIZE / table.BYTES_PER_ELEMENT;
  const first = Array.from({ length: MAPPINGS }, (_, i) => i * words).find((i) => table[i] === 0n);
  if (first === undefined) return null;
  table.set([start, start + BigInt(Math.ceil(size / pageSize) * pageSize), 0n], first);
  const failed = first * table.BYTES_PER_ELEMENT + ENTRY_FAILED;
  return {
    failed: () => read.u64(asPointer(data), failed) !== 0n,
    end: () => table.fill(0n, first, first + words),
  };
}
