/** What a call that must fail fails with. */

import { KexecError } from "../../src/core/error.ts";

/** The KexecError that `call` throws; throws itself where there is none. */
export function refusal(call: () => unknown): KexecError {
  try {
    call();
  } catch (error) {
    if (error instanceof KexecError) return error;
    throw error;
  }
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
