/**
 * A limit on the work that a core may cost. The fields of a damaged or hostile core can make a loop
 * over it nearly endless, and a crash kernel that waits for vmcore-dmesg then never reboots.
 */

import type { KexecError } from "../core/error.ts";

/** A number of work units, about 15 ns each, that readers spend and can earn. */
export class Budget {
  #left: number;
  readonly #exhausted: () => KexecError;

  /** @param exhausted makes the error that `spend` throws where no unit is left */
  constructor(units: number, exhausted: () => KexecError) {
    this.#left = units;
    this.#exhausted = exhausted;
  }

  earn(units: number): void {
    this.#left += units;
  }

  /** @throws KexecError where nothing is left */
  spend(units: number): void {
    this.#left -= units;
    if (this.#left < 0) throw this.#exhausted();
  }
}
