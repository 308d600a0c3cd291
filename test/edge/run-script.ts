/** Runs a script in its own process, for code that would end or change the test's process. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SRC = join(import.meta.dir, "../../src");
const made: string[] = [];

/** An empty directory; `removeScratch` removes it. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "onekexec-edge-"));
  made.push(directory);
  return directory;
}

/** Call it in afterAll() of each test file. */
export function removeScratch(): void {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true });
}

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Circumstances {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Words before the program's, such as strace and its options. */
  readonly under?: readonly string[];
  readonly args?: readonly string[];
}

/** Runs the script `text`; `@src/` in its imports stands for the project's sources. */
export function runScript(text: string, circumstances: Circumstances = {}): Ran {
  const { cwd = scratch(), env = {}, under = [], args = [] } = circumstances;
  const script = join(scratch(), "script.ts");
  writeFileSync(script, text.replaceAll("@src/", `${SRC}/`));
  const ran = Bun.spawnSync([...under, process.execPath, script, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdin: "ignore",
  });
  return {
    status: ran.exitCode,
    stdout: ran.stdout.toString("latin1"),
    stderr: ran.stderr.toString("latin1"),
  };
}
