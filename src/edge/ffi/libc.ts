/**
 * The C library, opened at its first use; `-v` and `-h` do not open it. This file declares the
 * functions that this program calls, and checks their arguments and results.
 *
 * bun:ffi silently truncates numbers that do not fit their C type, so arguments go through `asInt`
 * and `asUlong`, which throw. `result` reads `errno` before any other code can run.
 *
 * Files are opened, read and written through `node:fs`, which accepts paths as bytes and needs no
 * pointers.
 */

import { dlopen, type FFIFunction, FFIType, type Pointer, read } from "bun:ffi";
import { readFileSync } from "node:fs";
import { ExitStatus, KexecError } from "../../core/error.ts";
import { findLibc } from "./find-libc.ts";
import { memoryLimits } from "./memory-limits.ts";
import { textAt } from "./pointer.ts";

const { i32, i64, ptr, u64 } = FFIType;

/** Prototypes from sections 2 and 3 of the manual; addresses and sizes are u64. */
const PROTOTYPES = {
  __errno_location: { args: [], returns: ptr },
  execv: { args: [u64, u64], returns: i32 },
  fcntl: { args: [i32, i32, i64], returns: i32 },
  if_freenameindex: { args: [ptr], returns: FFIType.void },
  if_nameindex: { args: [], returns: ptr },
  ioctl: { args: [i32, u64, u64], returns: i32 },
  lseek: { args: [i32, i64, i32], returns: i64 },
  madvise: { args: [u64, u64, i32], returns: i32 },
  mmap: { args: [u64, u64, i32, i32, i32, i64], returns: i64 },
  mprotect: { args: [u64, u64, i32], returns: i32 },
  mremap: { args: [u64, u64, u64, i32], returns: i64 },
  munmap: { args: [u64, u64], returns: i32 },
  reboot: { args: [i32], returns: i32 },
  signal: { args: [i32, u64], returns: i64 },
  socket: { args: [i32, i32, i32], returns: i32 },
  strerror: { args: [i32], returns: ptr },
  sync: { args: [], returns: FFIType.void },
  syscall: { args: [i64, u64, u64, u64, u64, u64], returns: i64 },
} as const satisfies Record<string, FFIFunction>;

type Symbols = ReturnType<typeof dlopen<typeof PROTOTYPES>>["symbols"];

interface Libc {
  readonly path: string;
  readonly symbols: Symbols;
  /** Address of `errno`, an `int` of this thread whose address never changes. */
  readonly errnoAt: Pointer;
}

let opened: Libc | undefined;

/**
 * The C library, opened at the first call.
 * @throws KexecError `host.no-jit` where the system forbids executable memory, which bun:ffi needs;
 *   `host.libc` where the library cannot be found or lacks a function
 */
export function libc(): Libc {
  opened ??= open();
  return opened;
}

/** The text of /proc/self/maps, a byte string. @throws KexecError `host.libc` */
export function processMaps(): string {
  try {
    return readFileSync("/proc/self/maps", "latin1");
  } catch (cause) {
    throw cannotUse(
      null,
      `/proc/self/maps cannot be read: ${messageOf(cause)}`,
      cause,
      whyNoMaps(cause),
    );
  }
}

function open(): Libc {
  const path = findLibc(processMaps());
  if (path === null) throw cannotUse(null, "/proc/self/maps names no C library", undefined);
  // SAFETY: the library is mapped already and stays for the life of the process; the prototypes are
  // the documented ones. Fails with: a throw that `openingError` explains.
  try {
    const { symbols } = dlopen(path, PROTOTYPES);
    const errnoAt = symbols.__errno_location();
    if (typeof errnoAt !== "number") throw new TypeError("__errno_location returned NULL");
    return { path, symbols, errnoAt };
  } catch (cause) {
    throw openingError(path, cause);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What to do about /proc/self/maps. */
function whyNoMaps(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : "";
  if (code === "ENOENT") return "Mount proc on /proc.";
  if (code === "EMFILE") return "The limit on open files is reached: raise it (ulimit -n).";
  return "kexec finds the C library there.";
}

const NEEDS_LIBC = "kexec needs /proc, and glibc 2.17 or later or musl.";

function cannotUse(
  path: string | null,
  why: string,
  cause: unknown,
  hint = NEEDS_LIBC,
): KexecError {
  return new KexecError({
    code: "host.libc",
    message: `cannot use the C library${path === null ? "" : ` ${path}`}: ${why}`,
    hint,
    exitStatus: ExitStatus.failed,
    cause,
  });
}

/** The memory that the runtime reserves at its start, measured by lowering the limits. */
const NEEDED = "400 MiB of address space and 300 MiB of data";

/** Why the runtime cannot compile its system call stubs, and what to allow. */
function whyNoJit(): { readonly message: string; readonly hint: string } {
  const compiles = "The runtime of this program compiles its system call stubs.\n";
  if (/^(?:0|false|no)$/i.test(process.env.BUN_JSC_useJIT ?? "")) {
    return {
      message: "BUN_JSC_useJIT in the environment forbids it",
      hint: `${compiles}Unset BUN_JSC_useJIT.`,
    };
  }
  const limits = memoryLimits();
  if (limits.length > 0) {
    return {
      message: "the runtime could not reserve memory",
      hint: `${compiles}${limits.join("; ")}.\nAt least ${NEEDED} must be allowed.`,
    };
  }
  return {
    message: "this process may not make memory executable",
    hint:
      `${compiles}Allow executable memory: remove MemoryDenyWriteExecute= from the systemd unit,\n` +
      "allow execmem in SELinux.",
  };
}

/** The error to report where bun:ffi's `dlopen` of `path` threw `cause`: `host.no-jit` or
 * `host.libc`. */
export function openingError(path: string, cause: unknown): KexecError {
  const why = messageOf(cause);
  if (!why.includes("requires the JIT")) return cannotUse(path, why, cause);
  const { message, hint } = whyNoJit();
  return new KexecError({
    code: "host.no-jit",
    message: `cannot make system calls: ${message}`,
    hint,
    exitStatus: ExitStatus.failed,
    cause,
  });
}

/** Return types of the calls for which `result` reads `errno`. */
type Returned = bigint | number;

/**
 * Converts what a C function returned into the kernel's form: `returned` itself, or minus the error
 * number in place of -1. Write the C call as the argument, so that nothing runs before `errno` is
 * read: `result(lseek(fd, 0n, SEEK_END))`.
 */
export function result<R extends Returned>(returned: R): R | number {
  if (returned !== -1 && returned !== -1n) return returned;
  // SAFETY: the address is the C library's own, valid for the life of this thread.
  return -read.i32(libc().errnoAt, 0);
}

/** The C library's text for an error number: `Operation not permitted`. Scripts search for it. */
export function strerror(errno: number): string {
  // SAFETY: the text belongs to the library and is valid until the next call; `textAt` copies it.
  const text = libc().symbols.strerror(asInt(errno));
  return typeof text === "number" ? textAt(text) : `Unknown error ${errno}`;
}

/** Checks that `value` fits a C `int`. @throws RangeError where it does not, which is a bug */
export function asInt(value: number): number {
  if (!Number.isInteger(value) || value < -(2 ** 31) || value >= 2 ** 31) {
    throw new RangeError(`${value} is not an int`);
  }
  return value;
}

/** `value` as a C `unsigned long`. @throws RangeError where it does not fit, which is a bug */
export function asUlong(value: bigint | number): bigint {
  const wide = BigInt(value);
  if (wide < 0n || wide >= 1n << 64n) throw new RangeError(`${value} is not an unsigned long`);
  return wide;
}
