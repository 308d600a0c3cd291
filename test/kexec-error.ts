/** What a call returns or is refused with. Errors that are no KexecError are bugs, and pass through
 * all of these. */

import { KexecError } from "../src/core/error.ts";

/** What `call` returns, or the KexecError that it throws. */
export function orRefusal<T>(call: () => T): T | KexecError {
  try {
    return call();
  } catch (error) {
    if (error instanceof KexecError) return error;
    throw error;
  }
}

/** The KexecError that `call` throws; throws itself where there is none. */
export function refusal(call: () => unknown): KexecError {
  const error = orRefusal(call);
  if (error instanceof KexecError) return error;
  throw new Error("nothing was refused");
}

/** The same as a user sees it: exit status, first lines, and reason. */
export function refusalText(call: () => unknown): {
  readonly status: number;
  readonly message: string;
  readonly hint: string;
} {
  const { exitStatus: status, message, hint = "" } = refusal(call);
  return { status, message, hint };
}
