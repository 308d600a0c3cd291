/**
 * The error type of all failures that are not bugs; `story/kexec.ts` prints it. Errors of other
 * classes are bugs in onekexec. Pure.
 */

import type { ErrorCode } from "./error-code.ts";

/**
 * Exit statuses of kexec-tools, which scripts test.
 *
 * `general` (1) is its `die()`, a bad option or usage; `failed` (255) is its -1; `noCrashKernel`
 * (254) its ENOCRASHKERNEL; `fallback` (253) its EFALLBACK.
 */
export const ExitStatus = {
  ok: 0,
  general: 1,
  fallback: 253,
  noCrashKernel: 254,
  failed: 255,
} as const;

export interface KexecErrorParts {
  readonly code: ErrorCode;
  /** kexec-tools' own line or lines where scripts may search for them, else onekexec's: what was
   * done, to what, what was found, what was needed. A byte string (see core/bytes.ts), without a
   * newline at its end. */
  readonly message: string;
  /** At most three lines: the cause, and what to try. */
  readonly hint?: string | undefined;
  /** 0–255; 1 unless given. */
  readonly exitStatus?: number | undefined;
  readonly cause?: unknown;
}

/** A failure that the user can understand and act on. Everything else is a bug. */
export class KexecError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly exitStatus: number;

  constructor(parts: KexecErrorParts) {
    super(parts.message, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.name = "KexecError";
    this.code = parts.code;
    this.hint = parts.hint;
    this.exitStatus = parts.exitStatus ?? ExitStatus.general;
  }
}

/** A failure of an image; the caller, who knows them, adds the file and its type to the message. */
export class ImageError extends KexecError {}

/** Throws an `ImageError`; for use where an expression is needed. */
export function failImage(parts: KexecErrorParts): never {
  throw new ImageError(parts);
}

/** Throws a `KexecError`; for use where an expression is needed. */
export function fail(parts: KexecErrorParts): never {
  throw new KexecError(parts);
}
