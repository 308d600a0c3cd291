/** The errors of each function of libxenctrl, as documented in the table of libxenctrl.ts. */

import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";

const TABLE = join(import.meta.dir, "../../src/edge/xen/libxenctrl.ts");

export type Failure = readonly [call: string, error: string];

/** Pairs of a function and the name of one of its errors, in the order of the table. */
export function documentedFailures(): Failure[] {
  const text = readFileSync(TABLE, "utf8");
  const rows = text.matchAll(/\/\*\* ((?:(?!\*\/).)*)\*\/\n {2}(xc_\w+): \{/gs);
  return [...rows].flatMap(([, comment = "", name = ""]) => {
    const [, failures = ""] = comment.split("Fails with:");
    return [...failures.matchAll(/\bE[A-Z0-9]{2,}\b/g)].map(([error]) => [name, error] as const);
  });
}

/** The number of `error` on Linux. @throws RangeError for an unknown name */
export function errorNumber(error: string): number {
  const found = Object.entries(constants.errno).find(([name]) => name === error);
  if (found === undefined) throw new RangeError(`${error} is no error of Linux`);
  return found[1];
}
