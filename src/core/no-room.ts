/** Memory that was asked for and is not there, as a value: whoever has another place goes on. */

import { KexecError, type KexecErrorParts } from "./error.ts";

export class NoRoom {
  readonly parts: KexecErrorParts;

  constructor(parts: KexecErrorParts) {
    this.parts = parts;
  }

  /** What the search found instead, for the hint of another refusal. */
  get found(): string {
    return this.parts.hint ?? "";
  }

  /** @throws KexecError `plan.no-room` */
  throw(): never {
    throw new KexecError(this.parts);
  }
}
