/**
 * How much work a core may cost. The fields of a damaged or hostile one can make any loop over it
 * as long as they like; a crash kernel that waits for its end never reboots.
 */

import type { KexecError } from "../core/error.ts";

/** A store of work that is used up, in units of about 15 ns each; readers may earn more. */
export class Budget {
  #left: number;
  readonly #exhausted: () => KexecError;

  /** @param exhausted what `spend` throws where nothing is left */
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
