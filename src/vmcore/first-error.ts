/**
 * What is wrong with a core. A damaged one is read as far as it can be: the first error is kept,
 * and reported after everything that could be read.
 */

import { KexecError } from "../core/error.ts";

/** One of the failures of this program, with kexec-tools' line and status where it has one. */
export function vmcoreError(message: string, exitStatus: number, hint?: string): KexecError {
  return new KexecError({ code: "vmcore.damaged", message, exitStatus, hint });
}

/** The first error, or none yet. */
export class FirstError {
  #error: KexecError | null = null;

  get error(): KexecError | null {
    return this.#error;
  }

  /** `make` is called for the first error only: looking into its cause takes time. */
  keep(make: () => KexecError): void {
    this.#error ??= make();
  }
}
