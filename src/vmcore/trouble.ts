/**
 * What is wrong with a core. A damaged one is read as far as it can be: the first thing that was
 * wrong is remembered, and told when everything else has been said.
 */

import { KexecError } from "../core/error.ts";

/** One of the failures of this program, with kexec-tools' line and status where it has one. */
export function vmcoreError(message: string, exitStatus: number, hint?: string): KexecError {
  return new KexecError({ code: "vmcore.damaged", message, exitStatus, hint });
}

/** The first trouble. */
export class Trouble {
  #first: KexecError | null = null;

  get first(): KexecError | null {
    return this.#first;
  }

  /** `make` is called for the first trouble only: looking into its cause takes time. */
  note(make: () => KexecError): void {
    this.#first ??= make();
  }
}
