/**
 * Fuzzes every parser of the project, in turn, with damaged copies of valid inputs:
 *
 *     bun scripts/fuzz.ts [--minutes=N | --seconds=N] [--seed=N] [--only=NAME] [--case=N]
 *
 * Each input must give a result or a KexecError, within 2 s of processor time and 256 MiB of memory
 * above its own size. `--only` takes a target or a group of them. The seed is random unless it is
 * given; a run is printed with its seed, and each fault with the command that repeats it and the
 * file that its input was written to. Cases run in a process of their own, so that one without an
 * end is found, and the run goes on. Status 1: there were faults.
 */

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { caseSeed, Random } from "../test/fuzz/random.ts";
import { runCase } from "../test/fuzz/run-case.ts";
import type { Target } from "../test/fuzz/target.ts";
import { TARGETS } from "../test/fuzz/targets/index.ts";
import { Problem, problemText } from "./command.ts";

/** After so long without a case that ends, the process is ended, in ms. */
const STUCK = 20_000;

interface Options {
  readonly milliseconds: number;
  readonly seed: number;
  readonly only: string | null;
  /** The one case to run; null: as many as there is time for. */
  readonly index: number | null;
}

/** What a process of cases says to its parent, one JSON line each. */
type Message =
  | { readonly kind: "case"; readonly target: string; readonly index: number }
  | {
      readonly kind: "fault";
      readonly target: string;
      readonly index: number;
      readonly what: string;
    }
  | { readonly kind: "done" };

function numberOf(word: string, name: string): number | null {
  if (!word.startsWith(`--${name}=`)) return null;
  const value = Number(word.slice(name.length + 3));
  if (Number.isFinite(value) && value >= 0) return value;
  throw new Problem({ step: "Read the command line", reason: `${word} is no number`, advice: "" });
}

function optionsOf(words: readonly string[]): Options {
  let milliseconds = 60_000;
  let seed = (Date.now() ^ (process.pid << 16)) >>> 0;
  let only: string | null = null;
  let index: number | null = null;
  for (const word of words) {
    const minutes = numberOf(word, "minutes");
    const seconds = numberOf(word, "seconds");
    const given = numberOf(word, "seed");
    const one = numberOf(word, "case");
    if (minutes !== null) milliseconds = minutes * 60_000;
    else if (seconds !== null) milliseconds = seconds * 1000;
    else if (given !== null) seed = given;
    else if (one !== null) index = one;
    else if (word.startsWith("--only=")) only = word.slice("--only=".length);
    else {
      const advice = "fuzz.ts [--minutes=N | --seconds=N] [--seed=N] [--only=NAME] [--case=N]";
      throw new Problem({ step: "Read the command line", reason: `what is ${word}?`, advice });
    }
  }
  return { milliseconds, seed, only, index };
}

function chosen(only: string | null): readonly Target[] {
  const targets = TARGETS.filter(
    ({ name }) => only === null || name === only || name.startsWith(`${only}/`),
  );
  if (targets.length > 0) return targets;
  const advice = `one of: ${TARGETS.map(({ name }) => name).join(", ")}`;
  throw new Problem({ step: "Choose what is fuzzed", reason: `no target ${only}`, advice });
}

const say = (message: Message): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};

/** The process of cases: from round `first` on, targets in turn, until the time is over. */
function runCases(options: Options, first: number): void {
  const targets = chosen(options.only);
  const end = performance.now() + options.milliseconds;
  const run = (target: Target, index: number): void => {
    say({ kind: "case", target: target.name, index });
    const fault = runCase(target, options.seed, index);
    if (fault !== null) say({ kind: "fault", target: target.name, index, what: fault.what });
  };
  if (options.index !== null) {
    for (const target of targets) run(target, options.index);
  }
  for (let round = first; options.index === null && performance.now() < end; round += 1) {
    for (const target of targets) {
      const from = round * target.turn;
      for (let index = from; index < from + target.turn; index += 1) run(target, index);
    }
  }
  say({ kind: "done" });
}

function roundOf({ target, index }: { readonly target: string; readonly index: number }): number {
  const turn = TARGETS.find(({ name }) => name === target)?.turn ?? 1;
  return Math.floor(index / turn);
}

interface Child {
  readonly counts: Readonly<Record<string, number>>;
  /** Where a case had no end, or ended the process: the round to go on with; null: all was done. */
  readonly next: number | null;
}

/** Writes a fault's input to a file and prints how to come back to it. */
function report(options: Options, folder: string, { target, index, what }: FaultText): void {
  const found = TARGETS.find(({ name }) => name === target);
  const path = join(folder, `${target.replaceAll("/", "-")}-${index}`);
  if (found !== undefined) {
    writeFileSync(path, found.input(new Random(caseSeed(options.seed, target, index))));
  }
  process.stdout.write(
    `\n${target}, case ${index}: ${what}\n  input: ${path}\n` +
      `  again: bun scripts/fuzz.ts --only=${target} --seed=${options.seed} --case=${index}\n`,
  );
}

interface FaultText {
  readonly target: string;
  readonly index: number;
  readonly what: string;
}

/** Runs a process of cases until its end, or until one case has none. */
async function runChild(
  options: Options,
  first: number,
  onFault: (fault: FaultText) => void,
): Promise<Child> {
  const words = [
    ...[`--seconds=${options.milliseconds / 1000}`, `--seed=${options.seed}`, `--child=${first}`],
    ...(options.only === null ? [] : [`--only=${options.only}`]),
    ...(options.index === null ? [] : [`--case=${options.index}`]),
  ];
  const child = Bun.spawn([process.execPath, import.meta.path, ...words], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const counts: Record<string, number> = {};
  let current: { readonly target: string; readonly index: number } | null = null;
  let isDone = false;
  let timer: ReturnType<typeof setTimeout> | null = null;
  const watch = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(() => child.kill("SIGKILL"), STUCK);
  };
  watch();
  let rest = "";
  for await (const chunk of child.stdout) {
    watch();
    const lines = (rest + Buffer.from(chunk).toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const message = JSON.parse(line) as Message;
      if (message.kind === "case") {
        counts[message.target] = (counts[message.target] ?? 0) + 1;
        current = message;
      } else if (message.kind === "fault") onFault(message);
      else isDone = true;
    }
  }
  if (timer !== null) clearTimeout(timer);
  await child.exited;
  if (isDone) return { counts, next: null };
  const how = child.signalCode ?? `status ${child.exitCode}`;
  if (current === null) {
    throw new Problem({ step: "Run cases", reason: `the process ended: ${how}`, advice: "" });
  }
  onFault({ ...current, what: `no end within ${STUCK / 1000} s, or the process died (${how})` });
  return { counts, next: roundOf(current) + 1 };
}

async function main(words: readonly string[]): Promise<number> {
  const first = words.map((word) => numberOf(word, "child")).find((value) => value !== null);
  const options = optionsOf(words.filter((word) => !word.startsWith("--child=")));
  chosen(options.only);
  if (first !== undefined && first !== null) {
    runCases(options, first);
    return 0;
  }
  const start = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "onekexec-fuzz-"));
  const counts: Record<string, number> = {};
  let faults = 0;
  const told = new Map<string, number>();
  let next: number | null = 0;
  while (next !== null) {
    const milliseconds = options.milliseconds - (performance.now() - start);
    if (milliseconds <= 0) break;
    const child: Child = await runChild({ ...options, milliseconds }, next, (fault) => {
      faults += 1;
      const same = `${fault.target} ${fault.what.split("\n", 2).join(" ")}`;
      told.set(same, (told.get(same) ?? 0) + 1);
      // The first of a kind is shown; how many there were is in the sum.
      if (told.get(same) === 1) report(options, folder, fault);
    });
    for (const [name, count] of Object.entries(child.counts)) {
      counts[name] = (counts[name] ?? 0) + count;
    }
    next = options.index === null ? child.next : null;
  }
  for (const [name, count] of Object.entries(counts)) {
    process.stdout.write(`${name.padEnd(32)}${String(count).padStart(10)}\n`);
  }
  const cases = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  process.stdout.write(`${cases} cases in ${seconds} s, seed ${options.seed}: ${faults} faults\n`);
  return faults === 0 ? 0 : 1;
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`${problemText(error)}\n`);
  process.exit(1);
}
