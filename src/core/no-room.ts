/** The error of a piece that does not fit, as a value: the caller may try another place. */

import { KexecError, type KexecErrorParts } from "./error.ts";

export class NoRoom {
  readonly parts: KexecErrorParts;

  constructor(parts: KexecErrorParts) {
    this.parts = parts;
  }

  /** What the placer needed and found, for the hint of another error. */
  get found(): string {
    return this.parts.hint ?? "";
  }

  /** @throws KexecError `plan.no-room` */
  throw(): never {
    throw new KexecError(this.parts);
  }
}
