/**
 * Nothing in the working directory, in the home directory or in BUN_OPTIONS reaches the built file.
 *
 * Each attack is run for several command lines, and must leave no mark, make no file, and change no
 * byte of what is printed. sealed-control.test.ts proves that the same attacks work on a file that
 * was built without the flags that seal ours.
 */

import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  CLEAN_ENVIRONMENT,
  FACTS,
  KEXEC,
  makeRecorder,
  makeScratch,
  type Outcome,
  plantKernel,
  type RunOptions,
  run,
} from "./built-file.ts";
import { BUN_OPTIONS_FORMS, optionsText } from "./bun-options.ts";
import { plantHostileDirectory } from "./hostile-directory.ts";
import { pathsLookedUp } from "./paths-looked-up.ts";

const scratch = makeScratch();
afterAll(() => rmSync(scratch, { recursive: true }));

const clean = join(scratch, "clean");
mkdirSync(clean);
const kernel = plantKernel(join(scratch, "kernels"));
/** Copies, since the tree may lie in /tmp, which one of the tests hides. */
const program = join(scratch, "kexec");
const facts = join(scratch, "facts.json");
copyFileSync(KEXEC, program);
copyFileSync(FACTS, facts);
const recorder = makeRecorder(scratch);
const hostile = plantHostileDirectory(join(scratch, "hostile"), join(scratch, "mark"));
beforeEach(() => hostile.reset());

/** The last one goes all the way to the kernel's call, with the facts of this machine. */
const COMMANDS = {
  version: [program, "-v"],
  "dry run": [program, "-c", "-l", "--dry-run", `--facts=${facts}`, "--append=quiet", kernel],
  load: [...recorder.words, program, "-c", "-l", "--append=quiet", kernel],
} as const;

const EXPECTED = new Map(
  Object.values(COMMANDS).map((command) => [command, run(command, { cwd: clean })]),
);

function expectUnmoved(command: readonly string[], options: RunOptions, expected: Outcome): void {
  expect(run(command, { cwd: hostile.path, ...options })).toEqual(expected);
  expect(hostile.effects()).toEqual([]);
}

/** All commands do in the hostile directory what they do in a clean one. */
function expectSealed(env: Readonly<Record<string, string>> = {}): void {
  for (const [command, expected] of EXPECTED) expectUnmoved(command, { env }, expected);
  const [call] = recorder.calls();
  expect(call?.call === "kexec_load" && call.segments.length).toBe(3);
}

test("the commands work at all", () => {
  const outcomes = Object.values(COMMANDS).map((command) => EXPECTED.get(command));
  expect(outcomes.map((outcome) => [outcome?.status, outcome?.stderr])).toEqual([
    [0, ""],
    [0, ""],
    [0, ""],
  ]);
  expect(outcomes[0]?.stdout).toMatch(/^kexec-tools 2\.0\.\d+ \(onekexec [\d.]+\)\n$/);
  expect(outcomes[1]?.stdout).toMatch(/^kexec_load: 3 segments, /);
  expect(outcomes[2]?.stdout).toBe("");
});

describe("a hostile directory", () => {
  test("as the working directory", () => expectSealed());

  test("as home", () => {
    const home = hostile.path;
    expectSealed({
      HOME: home,
      XDG_CONFIG_HOME: home,
      XDG_CACHE_HOME: home,
      XDG_DATA_HOME: home,
      BUN_INSTALL: home,
      BUN_RUNTIME_TRANSPILER_CACHE_PATH: home,
      BUN_TMPDIR: home,
      TMPDIR: home,
    });
  });

  test.each(["production", "development", "test", "local"])("with NODE_ENV=%s", (mode) =>
    expectSealed({ NODE_ENV: mode, BUN_ENV: mode }),
  );

  test("as /tmp", () => {
    const script = 'mount --bind "$1" /tmp && cd /tmp && shift && exec "$@"';
    for (const [command, expected] of EXPECTED) {
      const words = ["/bin/sh", "-c", script, "sh", hostile.path, ...command];
      expectUnmoved(["unshare", "-m", ...words], { cwd: clean }, expected);
    }
  });

  /** Neither of it is looked into, nor is anything looked up by a relative path. */
  function expectNotLookedInto(command: readonly string[], env: Record<string, string>): void {
    const trace = join(scratch, "trace");
    const outcome = run(["strace", "-f", "-o", trace, "-e", "trace=%file", ...command], {
      cwd: hostile.path,
      env,
    });
    expect(outcome.status).toBe(0);
    const paths = pathsLookedUp(trace);
    expect(paths).toContain("/proc/self/maps");
    expect(paths.filter((path) => path.startsWith(hostile.path))).toEqual([]);
    // Only getcwd(2) may have told the runtime where it is.
    expect(paths.filter((path) => !path.startsWith("/") && path !== "")).toEqual([]);
  }

  test.each(Object.entries(COMMANDS))("is not looked into by: %s", (_, command) =>
    expectNotLookedInto(command, { HOME: hostile.path, XDG_CONFIG_HOME: hostile.path }),
  );

  test("is not looked into for BUN_OPTIONS", () =>
    expectNotLookedInto(COMMANDS.load, {
      BUN_OPTIONS: "--preload ./evil.ts --config=./other.toml --env-file=.env",
    }));
});

describe("BUN_OPTIONS", () => {
  test.each(BUN_OPTIONS_FORMS.map(optionsText))("%s", (text) =>
    expectSealed({ BUN_OPTIONS: text.replaceAll("DIRECTORY", hostile.path) }),
  );

  test("does not move relative paths of ours", () => {
    const command = [program, "-s", "-l", "--dry-run", "kernel"];
    const cwd = join(scratch, "kernels");
    const moved = run(command, { cwd, env: { BUN_OPTIONS: `--cwd=${hostile.path}` } });
    expect(moved.status).toBe(0);
    expect(moved).toEqual(run(command, { cwd }));
  });
});

describe("other variables", () => {
  test.each([
    ["NODE_OPTIONS", "--require DIRECTORY/evil.js"],
    ["NODE_OPTIONS", "--import DIRECTORY/evil.js --inspect"],
    ["NODE_PATH", "DIRECTORY/node_modules"],
    ["NODE_CHANNEL_FD", "1"],
    ["BUN_CONFIG_PRELOAD", "DIRECTORY/evil.ts"],
    ["BUN_CONFIG_FILE", "DIRECTORY/bunfig.toml"],
    ["BUN_CONFIG_VERBOSE_FETCH", "1"],
    ["BUN_CONFIG_REGISTRY", "http://127.0.0.1:9/"],
    ["BUN_PRELOAD", "DIRECTORY/evil.ts"],
    ["BUN_CPU_PROFILE", "DIRECTORY/profile"],
    ["BUN_TCC_OPTIONS", "-run DIRECTORY/evil.js"],
    ["BUN_TRACE", "DIRECTORY/trace"],
    ["BUN_WATCHER_TRACE", "DIRECTORY/trace"],
    ["BUN_GARBAGE_COLLECTOR_LEVEL", "2"],
    ["DEBUG", "*"],
    ["TEST", "1"],
    ["CI", "1"],
    ["FORCE_COLOR", "3"],
    ["NO_COLOR", "1"],
    ["TERM", "xterm-256color"],
    ["COLUMNS", "0"],
    ["LANG", "de_DE.UTF-8"],
    ["LC_ALL", "C"],
    ["TZ", ":DIRECTORY/zone"],
  ])("%s=%s", (name, value) =>
    expectSealed({ [name]: value.replaceAll("DIRECTORY", hostile.path) }),
  );
});

describe("the program's own name", () => {
  test.each([
    "bun",
    "bunx",
    "node",
    "npx",
    "bun-debug",
    "/usr/bin/bun",
    "/usr/bin/node",
    "./evil.ts",
  ])("as %s", (argv0) => {
    for (const command of [COMMANDS.version, COMMANDS["dry run"]]) {
      const expected = EXPECTED.get(command);
      if (expected !== undefined) expectUnmoved(command, { argv0 }, expected);
    }
  });
});

/**
 * Arguments that the runtime would take for its own. Each line asks for the version too, or for a
 * dry run, so that none could do a deed if it were read in another way.
 */
describe("arguments", () => {
  test.each([
    [["--preload", "./evil.ts", "-v"]],
    [["--preload=./evil.ts", "-v"]],
    [["-r", "./evil.ts", "-v"]],
    [["--require=./evil.js", "-v"]],
    [["--import", "./evil.ts", "-v"]],
    [["--config=./bunfig.toml", "-v"]],
    [["-c", "-v"]],
    [["--inspect", "-v"]],
    [["--inspect-wait=127.0.0.1:9783", "-v"]],
    [["--env-file=.env", "-v"]],
    [["--print", "-v"]],
    [["--eval=1", "-v"]],
    [["--smol", "-v"]],
    [["--bun", "-v"]],
    [["-v", "run", "./evil.ts"]],
    [["-v", "./evil.ts"]],
    [["-v", "--", "--preload", "./evil.ts"]],
    [["--dry-run", "-l", "--", "--preload"]],
    [["--dry-run", "-l", "--append", "--preload ./evil.ts", `--facts=${facts}`, kernel]],
    [["--dry-run", "-l", "--append=--preload ./evil.ts", "-c", `--facts=${facts}`, kernel]],
  ])("%j", (args) => {
    const command = [program, ...args];
    expectUnmoved(command, {}, run(command, { cwd: clean, env: CLEAN_ENVIRONMENT }));
  });
});
