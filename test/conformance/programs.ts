/** The two programs that are compared. */

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");

/** dist/kexec, or what ONEKEXEC_BINARY names. */
export const ONEKEXEC = process.env.ONEKEXEC_BINARY ?? join(ROOT, "dist/kexec");

/** kexec-tools as installed, or what ONEKEXEC_REFERENCE names, such as a newer build of it. */
export const KEXEC_TOOLS = process.env.ONEKEXEC_REFERENCE ?? "/usr/sbin/kexec";

for (const [path, advice] of [
  [ONEKEXEC, "npm run build"],
  [KEXEC_TOOLS, "apt-get install kexec-tools"],
] as const) {
  if (!existsSync(path)) throw new Error(`${path} is missing: ${advice}`);
}

/** The last number of `kexec-tools 2.0.25`: 25. */
export const RELEASE = Number(
  /^kexec-tools 2\.0\.(\d+)/.exec(execFileSync(KEXEC_TOOLS, ["-v"]).toString())?.[1],
);
if (!Number.isInteger(RELEASE)) throw new Error(`${KEXEC_TOOLS} is no kexec-tools 2.0`);
