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
