/** The two programs that are compared. */

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

const ROOT = join(import.meta.dir, "../..");

const BUILT = process.env.ONEKEXEC_BINARY ?? join(ROOT, "dist/kexec");

/** kexec-tools as installed, or what ONEKEXEC_REFERENCE names, such as a newer build of it. */
export const KEXEC_TOOLS = process.env.ONEKEXEC_REFERENCE ?? "/usr/sbin/kexec";

for (const [path, advice] of [
  [BUILT, "npm run build"],
  [KEXEC_TOOLS, "apt-get install kexec-tools"],
] as const) {
  if (!existsSync(path)) throw new Error(`${path} is missing: ${advice}`);
}

/** Whether every user may go to `path`: below root's home, for one, only root may. */
function everybodyReaches(path: string): boolean {
  const folder = dirname(path);
  if (folder === path) return true;
  return (statSync(folder).mode & 0o001) !== 0 && everybodyReaches(folder);
}

/** `path`, or a copy where the user who is not root in these tests cannot reach it. */
function withinReach(path: string): string {
  if (everybodyReaches(path)) return path;
  const folder = mkdtempSync(join(tmpdir(), "onekexec-program-"));
  chmodSync(folder, 0o755);
  const copy = join(folder, basename(path));
  copyFileSync(path, copy);
  return copy;
}

/** dist/kexec, or what ONEKEXEC_BINARY names. */
export const ONEKEXEC = withinReach(BUILT);

const [, NUMBER, GIT] =
  /^kexec-tools 2\.0\.(\d+)(\.git)?/.exec(execFileSync(KEXEC_TOOLS, ["-v"]).toString()) ?? [];

/** The last number of `kexec-tools 2.0.25`: 25. What was built after a release (`2.0.32.git`) has
 * the next one's. */
export const RELEASE = Number(NUMBER) + (GIT === undefined ? 0 : 1);
if (!Number.isInteger(RELEASE)) throw new Error(`${KEXEC_TOOLS} is no kexec-tools 2.0`);
