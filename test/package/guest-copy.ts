/**
 * Copies of the guests of scripts/debian-guest.ts, in which commands run by chroot. Nothing here
 * calls kexec but to ask its version.
 */

import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { ensureGuest, type GuestKind } from "../../scripts/debian-guest.ts";

export const say = (line: string) => process.stderr.write(`${line}\n`);

export interface Ran {
  readonly status: number;
  /** Of stdout, then of stderr. */
  readonly output: string;
}

export function run(...command: string[]): Ran {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { stdin: "ignore" });
  return { status: exitCode, output: `${stdout}${stderr}` };
}

/** The output. @throws Error where the status is not 0 */
export function mustRun(...command: string[]): string {
  const { status, output } = run(...command);
  if (status !== 0) throw new Error(`${command.join(" ")}: status ${status}\n${output}`);
  return output;
}

const mounted: string[] = [];

/** Until `unmountAll`. */
export function bind(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  mustRun("mount", "--bind", from, to);
  mounted.unshift(to);
}

/** To be called before the copies are removed. */
export function unmountAll(): void {
  for (const path of mounted.splice(0)) mustRun("umount", path);
}

export interface GuestCopy {
  readonly root: string;
  /** The output of a command in the guest. @throws Error where its status is not 0 */
  inside(...command: string[]): string;
  /** What dpkg says of a package: `installed`, `config-files`, or that it does not know it. */
  status(name: string): string;
}

/** Copies a guest to `root`; `/onekexec.deb` and `/kexec-tools.deb` are in it. */
export function copyGuest(root: string, deb: string, kind: GuestKind = "plain"): GuestCopy {
  const { root: origin, kexecTools } = ensureGuest(say, kind);
  mustRun("cp", "-a", "--reflink=auto", origin, root);
  copyFileSync(deb, join(root, "onekexec.deb"));
  copyFileSync(kexecTools, join(root, "kexec-tools.deb"));
  const path = "PATH=/usr/sbin:/usr/bin";
  const env = ["env", "-i", path, "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"];
  // The runtime of the executable needs /proc; dracut needs /dev.
  for (const folder of ["proc", "dev"]) bind(`/${folder}`, join(root, folder));
  return {
    root,
    inside: (...command) => mustRun("chroot", root, ...env, ...command),
    status: (name) =>
      run("chroot", root, "dpkg-query", "-W", "-f", "$" + "{db:Status-Status}", name).output,
  };
}
