/**
 * Runs the tests, phase by phase, each with one line: its result and how long it took. The output
 * of a phase that failed is shown whole. All phases run, whatever failed before.
 *
 *     bun scripts/test.ts [unit | PHASE ...]
 *
 * Without arguments everything but `sid` runs, and what is missing on this machine is installed
 * first. `unit` is the inner loop: format, lint, types and unit tests. The last line is `N passed,
 * N failed`: the tests of all phases, and each phase that has no tests as one. A test that was
 * skipped counts as failed, for it proved nothing.
 */

import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { availableParallelism, constants, tmpdir } from "node:os";
import { join } from "node:path";
import { Problem, problemText } from "./command.ts";
import { ensureGuest, GUEST_KINDS } from "./debian-guest.ts";
import { ensureKernel, KERNEL_SERIES } from "./kernels.ts";
import { ensurePackages, refreshPackageLists } from "./machine.ts";
import { ensureNewestKexecTools, installNewestKexecTools } from "./newest-kexec-tools.ts";
import { ensureOtherKernel, OTHER_KERNELS } from "./other-kernels.ts";
import { ensureSystemdStub } from "./systemd-stub.ts";
import { ensureXen } from "./xen.ts";
import { ensureXenHeaders } from "./xen-headers.ts";

const ROOT = join(import.meta.dir, "..");
const BIN = join(ROOT, "node_modules/.bin");
/** Folders whose tests need more than Bun: a build, other programs, virtual machines. */
const SLOW_FOLDERS = ["built", "conformance", "xen"];
/** Its files share the packages that the first one makes, so that one process runs them all. */
const PACKAGE_FOLDER = "package";
const MACHINE_FOLDER = "vm";
/** Virtual machines too, but only by name. */
const ENDURANCE = "endurance";
const NOT_UNIT = [...SLOW_FOLDERS, PACKAGE_FOLDER, MACHINE_FOLDER];
const UNIT_TIMEOUT_MS = 20_000;
const SLOW_TIMEOUT_MS = 900_000;

interface Phase {
  readonly name: string;
  /** Run side by side, as many as there are cores, in this order. */
  readonly commands: readonly (readonly string[])[];
  /** It is a run of `bun test`, whose closing lines are counted. */
  readonly counted: boolean;
  /** It compares with the newest kexec-tools and not with the installed one. */
  readonly newest?: true;
}

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly output: string;
}

function script(name: string, path: string, ...words: readonly string[]): Phase {
  const command = [process.execPath, join("scripts", path), ...words];
  return { name, commands: [command], counted: false };
}

function tests(name: string, timeout: number, paths: readonly string[]): Phase {
  const flags = ["--only-failures", `--timeout=${timeout}`];
  const command = [process.execPath, "test", ...flags, ...paths];
  return { name, commands: [command], counted: true };
}

/** Most tests, and virtual machines too, keep one core busy and no more: files run side by side,
 * the long ones first. */
function sideBySide(name: string, timeout: number): Phase {
  const folder = join(ROOT, "test", name);
  const paths = readdirSync(folder).filter((path) => path.endsWith(".test.ts"));
  const size = (path: string) => statSync(join(folder, path)).size;
  const commands = paths
    .toSorted((a, b) => size(b) - size(a))
    .flatMap((path) => tests(name, timeout, [`./test/${name}/${path}`]).commands);
  return { name, commands, counted: true };
}

/** Every test that needs nothing but Bun. */
function unitPaths(): string[] {
  return readdirSync(join(ROOT, "test"), { recursive: true })
    .map(String)
    .filter((path) => path.endsWith(".test.ts"))
    .filter((path) => !NOT_UNIT.some((folder) => path.startsWith(`${folder}/`)))
    .map((path) => `./test/${path}`)
    .sort();
}

function allPhases(): Phase[] {
  return [
    { name: "format and lint", commands: [[join(BIN, "biome"), "check", "."]], counted: false },
    { name: "types", commands: [[join(BIN, "tsc"), "-p", "."]], counted: false },
    tests("unit", UNIT_TIMEOUT_MS, unitPaths()),
    script("fuzz", "fuzz.ts", "--seconds=30", "--seed=1"),
    script("purgatory", "purgatory.ts", "check"),
    script("build", "build.ts", "--twice"),
    ...SLOW_FOLDERS.map((folder) => sideBySide(folder, SLOW_TIMEOUT_MS)),
    tests(PACKAGE_FOLDER, SLOW_TIMEOUT_MS, [`./test/${PACKAGE_FOLDER}/`]),
    { ...sideBySide("conformance", SLOW_TIMEOUT_MS), name: "conformance-newest", newest: true },
    sideBySide(MACHINE_FOLDER, SLOW_TIMEOUT_MS),
  ];
}

/** What runs only when it is named: what it proves depends on the day, or takes long. */
function namedPhases(): Phase[] {
  return [
    tests("sid", SLOW_TIMEOUT_MS, ["./test/package/sid.ts"]),
    tests("faults", SLOW_TIMEOUT_MS, ["./test/built/all-faults.ts"]),
    tests(ENDURANCE, SLOW_TIMEOUT_MS, ["./test/vm/endurance.ts"]),
  ];
}

const UNIT = ["format and lint", "types", "unit"];

function choose(words: readonly string[]): Phase[] {
  if (words.length === 0) return allPhases();
  const phases = [...allPhases(), ...namedPhases()];
  const names = words.flatMap((word) => (word === "unit" ? UNIT : [word]));
  for (const name of names) {
    if (phases.some((phase) => phase.name === name)) continue;
    const advice = `one of: ${phases.map((phase) => phase.name).join(", ")}`;
    throw new Problem({ step: "Choose the tests", reason: `no phase "${name}"`, advice });
  }
  return phases.filter(({ name }) => names.includes(name));
}

/** The numbers of bun test's closing lines; 0 where there is no such line. */
function closing(output: string, word: string): number {
  const found = [...output.matchAll(new RegExp(`^ *(\\d+) ${word}$`, "gm"))];
  return found.reduce((sum, match) => sum + Number(match[1]), 0);
}

function judge(phase: Phase, exitCode: number, output: string): Outcome {
  if (!phase.counted) {
    const good = exitCode === 0 ? 1 : 0;
    return { passed: good, failed: 1 - good, output };
  }
  const passed = closing(output, "pass");
  const unproved = closing(output, "skip") + closing(output, "todo");
  const failed = closing(output, "fail") + unproved;
  // A run that broke before its first test has no closing lines.
  const broken = failed === 0 && (exitCode !== 0 || passed === 0) ? 1 : 0;
  return { passed, failed: failed + broken, output };
}

/** Of the terminal; 0 where there is none, or it does not know. */
function terminalColumns(): number {
  return process.stderr.isTTY && process.env.TERM !== "dumb" ? (process.stderr.columns ?? 0) : 0;
}

/** On a terminal the last line of a running phase is shown and overwritten. */
function showLive(name: string, text: string): void {
  const columns = terminalColumns();
  if (columns === 0) return;
  const last = text.trimEnd().split("\n").at(-1) ?? "";
  process.stderr.write(`\r\x1b[K${Bun.stripANSI(`${name}: ${last}`).slice(0, columns - 1)}`);
}

function clearLive(): void {
  if (terminalColumns() > 0) process.stderr.write("\r\x1b[K");
}

/** Runs a phase with a temporary folder of its own, which takes with it what tests leave behind. */
async function runPhase(phase: Phase): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "onekexec-tests-"));
  chmodSync(folder, 0o1777);
  try {
    return await runIn(folder, phase, environmentOf(phase, folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a phase's commands find in their environment. */
function environmentOf({ newest }: Phase, folder: string): Readonly<Record<string, string>> {
  if (newest === undefined) return {};
  const kept = ensureNewestKexecTools((line) => process.stdout.write(`${line}\n`));
  return { ONEKEXEC_REFERENCE: installNewestKexecTools(kept, join(folder, "kexec-tools")) };
}

/** All commands, each with a core of its own; an outcome of all. */
async function runIn(
  folder: string,
  phase: Phase,
  environment: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const { commands } = phase;
  const lanes = Math.min(commands.length, availableParallelism());
  // Side by side, each has one virtual machine at a time.
  const alone = lanes > 1 ? { ONEKEXEC_VMS: "1" } : {};
  const waiting = [...commands];
  const outcomes: Outcome[] = [];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      outcomes.push(await runCommand(folder, phase, next, { ...alone, ...environment }));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((all, one) => all + of(one), 0);
  return {
    passed: sum(({ passed }) => passed),
    failed: sum(({ failed }) => failed),
    output: outcomes
      .filter(({ failed }) => failed > 0)
      .map(({ output }) => output)
      .join("\n"),
  };
}

async function runCommand(
  folder: string,
  phase: Phase,
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const child = Bun.spawn([...command], {
    cwd: ROOT,
    env: { ...environment, ...process.env, TMPDIR: folder },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const stop = () => child.kill();
  process.on("exit", stop);
  const parts: string[] = [];
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      const text = decoder.decode(bytes, { stream: true });
      parts.push(text);
      showLive(phase.name, text);
    }
  };
  await Promise.all([collect(child.stdout), collect(child.stderr)]);
  const exitCode = await child.exited;
  process.off("exit", stop);
  clearLive();
  return judge(phase, exitCode, parts.join(""));
}

/** Everything that the phases use, so that no test installs or downloads, and none is skipped. */
function prepareMachine(phases: readonly Phase[]): void {
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const large = [...NOT_UNIT, ENDURANCE];
  const slow = phases.some(({ name, newest }) => large.includes(name) || newest === true);
  ensurePackages(slow ? ["vm", "conformance", "package-test"] : ["conformance"], say);
  if (!slow) return;
  const refresh = () => refreshPackageLists(say);
  for (const series of KERNEL_SERIES) ensureKernel(series, say, refresh);
  for (const which of OTHER_KERNELS) ensureOtherKernel(which, say);
  ensureXen(say, refresh);
  ensureSystemdStub(say, refresh);
  ensureXenHeaders(say, refresh);
  for (const kind of GUEST_KINDS) ensureGuest(say, kind);
}

/** A thousand lines of tests that passed would hide the one that failed. */
function withoutPasses(output: string): string {
  const kept = output.split("\n").filter((line) => !line.startsWith("(pass) "));
  return kept.join("\n").trimEnd();
}

function resultLine(phase: Phase, { passed, failed }: Outcome, seconds: number): string {
  const result = failed === 0 ? "ok" : "FAILED";
  const count = phase.counted ? ` (${passed} passed, ${failed} failed)` : "";
  return `${phase.name.padEnd(16)}${result.padEnd(8)}${seconds.toFixed(1).padStart(7)} s${count}\n`;
}

async function main(words: readonly string[]): Promise<number> {
  const phases = choose(words);
  prepareMachine(phases);
  let passed = 0;
  let failed = 0;
  for (const phase of phases) {
    const start = performance.now();
    const outcome = await runPhase(phase);
    const seconds = (performance.now() - start) / 1000;
    process.stdout.write(resultLine(phase, outcome, seconds));
    if (outcome.failed > 0) process.stdout.write(`${withoutPasses(outcome.output)}\n\n`);
    passed += outcome.passed;
    failed += outcome.failed;
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

// Whoever stops this script stops what it runs.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => process.exit(128 + constants.signals[signal]));
}
try {
  if (!existsSync(BIN)) throw new Problem({ step: "Run the tests", reason: "no node_modules" });
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  process.stdout.write(`${problemText(error)}\n0 passed, 1 failed\n`);
  process.exit(1);
}
