/**
 * Errors in a core. vmcore-dmesg reads a damaged core as far as it can, keeps the first error, and
 * reports it after everything that could be read.
 */

import { KexecError } from "../core/error.ts";

/** An error of vmcore-dmesg, with kexec-tools' line and status where kexec-tools has them. */
export function vmcoreError(message: string, exitStatus: number, hint?: string): KexecError {
  return new KexecError({ code: "vmcore.damaged", message, exitStatus, hint });
}

/** The first error, or none yet. */
export class FirstError {
  #error: KexecError | null = null;

  get error(): KexecError | null {
    return this.#error;
  }

  /** Keeps an error if it is the first. `make` is called only then: finding the cause takes
   * time. */
  keep(make: () => KexecError): void {
    this.#error ??= make();
  }
}
