/**
 * The newest kexec-tools, to compare with beside the installed one: Debian's package of sid with
 * the libraries that it is linked to, kept in the cache, and made to run where it is copied to.
 */

import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { basename, join } from "node:path";
import { cacheFolder, fillFolder } from "./cache.ts";
import { Problem, runCommand } from "./command.ts";

/** Debian's releases, the newest first, and the last of kexec-tools 2.0 that the tests know. */
const SUITES = ["sid", "trixie"] as const;
const NEWEST_KNOWN = 32;

const PROGRAMS = ["kexec", "vmcore-dmesg"] as const;
const LOADER = "ld-linux-x86-64.so.2";
const STEP = "Get the newest kexec-tools";

/** The programs and their libraries, out of the packages that `suite` has. */
function fetchFrom(suite: string, folder: string): void {
  const root = join(folder, "root");
  const flags = [
    "--quiet",
    "--variant=extract",
    // A mirror that stands still has lists of sid that are no longer valid.
    '--aptopt=Acquire::Check-Valid-Until "false"',
    "--include=kexec-tools",
  ];
  runCommand(STEP, ["mmdebstrap", ...flags, suite, root], {
    advice: "look at the network and at /etc/apt/sources.list",
  });
  const libraries = join(root, "usr/lib/x86_64-linux-gnu");
  const loader = join(libraries, LOADER);
  copyFileSync(realpathSync(loader), join(folder, LOADER));
  for (const program of PROGRAMS) {
    const path = join(root, "usr/sbin", program);
    copyFileSync(path, join(folder, program));
    const list = runCommand(STEP, [loader, "--library-path", libraries, "--list", path]);
    for (const [, file = ""] of list.matchAll(/=> (\/\S+\.so\S*)/g)) {
      if (file.startsWith(libraries))
        copyFileSync(realpathSync(file), join(folder, basename(file)));
    }
  }
  rmSync(root, { recursive: true });
}

/** The last number of `kexec-tools 2.0.32`. */
function releaseIn(folder: string): number {
  const words = [join(folder, LOADER), "--library-path", folder, join(folder, "kexec"), "-v"];
  return Number(/^kexec-tools 2\.0\.(\d+)/.exec(runCommand(STEP, words))?.[1]);
}

/**
 * The folder with both programs, from the cache or from the newest Debian whose release the tests
 * know. @throws Problem
 */
export function ensureNewestKexecTools(say: (line: string) => void): string {
  for (const suite of SUITES) {
    const folder = join(cacheFolder("kexec-tools"), suite);
    if (!existsSync(folder)) {
      say(`${STEP} (Debian ${suite}, once, about a minute)`);
      fillFolder(folder, (fresh) => fetchFrom(suite, fresh));
    }
    const release = releaseIn(folder);
    if (release <= NEWEST_KNOWN) return folder;
    say(`Debian ${suite} has kexec-tools 2.0.${release}, which the tests do not know yet`);
  }
  const reason = `no Debian has a release up to 2.0.${NEWEST_KNOWN}`;
  throw new Problem({ step: STEP, reason, advice: "hold the tests against the newest one" });
}

/**
 * Copies what `ensureNewestKexecTools` keeps into a new folder `target`, where every user can run
 * it; returns the path of kexec, beside which vmcore-dmesg is.
 */
export function installNewestKexecTools(kept: string, target: string): string {
  mkdirSync(target, { mode: 0o755 });
  cpSync(kept, target, { recursive: true });
  for (const file of readdirSync(target)) chmodSync(join(target, file), 0o755);
  chmodSync(target, 0o755);
  for (const program of PROGRAMS) {
    const interpreter = ["--set-interpreter", join(target, LOADER)];
    const libraries = ["--force-rpath", "--set-rpath", target];
    runCommand(STEP, ["patchelf", ...interpreter, ...libraries, join(target, program)]);
  }
  return join(target, "kexec");
}
