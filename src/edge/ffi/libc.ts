/**
 * The C library, opened once, when first needed: `-v` and `-h` never come here. Every call of it in
 * this program is in this folder.
 *
 * bun:ffi cuts numbers that do not fit their C type without a word, so each call goes through a
 * checked wrapper, and reads `errno` before anything else can run.
 *
 * What it does not do: it opens, reads and writes no files. `node:fs` does that, takes paths as
 * bytes, and needs no pointers.
 */

import { dlopen, type FFIFunction, FFIType, type Pointer, read } from "bun:ffi";
import { readFileSync } from "node:fs";
import { ExitStatus, KexecError } from "../../core/error.ts";
import { findLibc } from "./find-libc.ts";
import { memoryLimits } from "./memory-limits.ts";
import { textAt } from "./pointer.ts";

const { i32, i64, ptr, u64 } = FFIType;

/** Prototypes as in the manual pages of section 2 and 3; addresses and sizes are u64. */
const PROTOTYPES = {
  __errno_location: { args: [], returns: ptr },
  execv: { args: [u64, u64], returns: i32 },
  if_freenameindex: { args: [ptr], returns: FFIType.void },
  if_nameindex: { args: [], returns: ptr },
  ioctl: { args: [i32, u64, u64], returns: i32 },
  lseek: { args: [i32, i64, i32], returns: i64 },
  madvise: { args: [u64, u64, i32], returns: i32 },
  mmap: { args: [u64, u64, i32, i32, i32, i64], returns: i64 },
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
  /** One `int` for each thread, at an address that stays. */
  readonly errnoAt: Pointer;
}

let opened: Libc | undefined;

/**
 * The C library.
 * @throws KexecError `host.no-jit` where the system forbids what bun:ffi needs, `host.libc` where
 *   the library cannot be found or lacks a function
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
    if (typeof errnoAt !== "number") throw new TypeError("__errno_location gave no address");
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

/** What the runtime needs beside the files that it loads: all of it address space, little of it
 * used. Measured by lowering the limits. */
const NEEDED = "400 MiB of address space and 300 MiB of data";

/** Why the runtime compiles nothing, and what to allow. */
function whyNoJit(): { readonly message: string; readonly hint: string } {
  const compiles = "The program's runtime compiles the glue for system calls while it runs.\n";
  if (/^(?:0|false|no)$/i.test(process.env.BUN_JSC_useJIT ?? "")) {
    return {
      message: "BUN_JSC_useJIT in the environment forbids it",
      hint: `${compiles}Unset BUN_JSC_useJIT.`,
    };
  }
  const limits = memoryLimits();
  if (limits.length > 0) {
    return {
      message: "the runtime could not reserve memory for it",
      hint: `${compiles}${limits.join("; ")}.\nAt least ${NEEDED} must be allowed.`,
    };
  }
  return {
    message: "this process may not make memory executable",
    hint:
      `${compiles}Allow it: no MemoryDenyWriteExecute= in the systemd unit, no deny of execmem ` +
      "in SELinux.",
  };
}

/** What a failed `dlopen` of bun:ffi means for the user. */
export function openingError(path: string, cause: unknown): KexecError {
  const why = messageOf(cause);
  if (!why.includes("requires the JIT")) return cannotUse(path, why, cause);
  const { message, hint } = whyNoJit();
  return new KexecError({
    code: "host.no-jit",
    message: `cannot call the system: ${message}`,
    hint,
    exitStatus: ExitStatus.failed,
    cause,
  });
}

/** What failed calls return as bigint or number. */
type Returned = bigint | number;

/**
 * The result of a call as the kernel itself gives it: at least 0, or minus the error number. To be
 * called with the call as its argument, so that `errno` is read at once.
 */
export function result<R extends Returned>(returned: R): R | number {
  if (returned !== -1 && returned !== -1n) return returned;
  // SAFETY: the address is the C library's own, valid for the life of this thread.
  return -read.i32(libc().errnoAt, 0);
}

/** The C library's text for an error number, which scripts grep: `Operation not permitted`. */
export function strerror(errno: number): string {
  // SAFETY: the text is the library's own, static or valid until the next call; it is copied here.
  const text = libc().symbols.strerror(asInt(errno));
  return typeof text === "number" ? textAt(text) : `Unknown error ${errno}`;
}

/** A C `int`. @throws RangeError, a bug, for what would be cut */
export function asInt(value: number): number {
  if (!Number.isInteger(value) || value < -(2 ** 31) || value >= 2 ** 31) {
    throw new RangeError(`${value} is not an int`);
  }
  return value;
}

/** A C `unsigned long`. @throws RangeError, a bug, for what would be cut */
export function asUlong(value: bigint | number): bigint {
  const wide = BigInt(value);
  if (wide < 0n || wide >= 1n << 64n) throw new RangeError(`${value} is not an unsigned long`);
  return wide;
}
