/** The packages under test: made once for all files of a run, and removed at its end. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensurePackages } from "../../scripts/machine.ts";
import { makePackages, type Packages } from "../../scripts/package.ts";
import { say } from "./guest-copy.ts";

let made: Packages | null = null;

/** Not compressed. @throws Problem */
export function madePackages(): Packages {
  if (made !== null) return made;
  ensurePackages(["package-test"], say);
  const folder = mkdtempSync(join(tmpdir(), "onekexec-packages-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  made = makePackages(folder, true);
  return made;
}
