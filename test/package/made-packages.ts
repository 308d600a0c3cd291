/** The packages under test: made once for all files of a run. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ensurePackages } from "../../scripts/machine.ts";
import { makePackages, type Packages } from "../../scripts/package.ts";
import { say } from "./guest-copy.ts";

/** Of each run the same, since no file of a run is the last one that it knows of. */
const FOLDER = join(import.meta.dir, "../../dist/under-test");

let made: Packages | null = null;

/** Not compressed. @throws Problem */
export function madePackages(): Packages {
  if (made !== null) return made;
  ensurePackages(["package-test"], say);
  mkdirSync(FOLDER, { recursive: true });
  made = makePackages(FOLDER, true);
  return made;
}
