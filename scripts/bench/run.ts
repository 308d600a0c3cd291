/**
 * Runs whole processes and measures what each costs: processor time, or the time that passes while
 * the process has real-time priority.
 *
 * Processor time is what the kernel accounts to the process and its children, user and system. On a
 * busy machine it repeats within 2 %, where elapsed time varies by 2 to 5 times. Elapsed time is
 * that of an idle machine only where nothing preempts the process: under SCHED_FIFO.
 */

import { Problem, runCommand } from "../command.ts";

const REAL_TIME_PRIORITY = 10;
/** Between two runs with real-time priority, for everybody else on the machine. */
const PAUSE_MS = 700;

export interface Command {
  readonly program: string;
  readonly words: readonly string[];
  /** The exit statuses that this command may end with; another one stops the benchmark. */
  readonly statuses: readonly number[];
}

/** In ms. */
export interface Times {
  readonly median: number;
  readonly least: number;
}

/** What one run of a command costs, in ms. @throws Problem */
export type Measure = (command: Command) => number;

/** On a terminal, what is being done; the next text overwrites it. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function run({ program, words, statuses }: Command): Bun.SyncSubprocess<"ignore", "ignore"> {
  const command = [program, ...words];
  const ended = Bun.spawnSync(command, { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  if (statuses.includes(ended.exitCode)) return ended;
  // Once more, for its words.
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { stdin: "ignore" });
  const wanted = statuses.join(" or ");
  const reason = `exit status ${ended.exitCode}, needed ${wanted}; run again: ${exitCode}`;
  throw new Problem({ step: `Run ${command.join(" ")}`, reason: `${reason}\n${stdout}${stderr}` });
}

/** The processor time of a run, user and system, in ms. */
export const processorTime: Measure = (command) =>
  Number(run(command).resourceUsage.cpuTime.total) / 1000;

/** The time that a run takes, in ms; of use with real-time priority only. */
const elapsedTime: Measure = (command) => {
  Bun.sleepSync(PAUSE_MS);
  const start = Bun.nanoseconds();
  run(command);
  return (Bun.nanoseconds() - start) / 1e6;
};

/** @throws RangeError where nothing was run */
export function summary(times: readonly number[]): Times {
  const sorted = times.toSorted((a, b) => a - b);
  const [least, median] = [sorted[0], sorted[sorted.length >> 1]];
  if (least === undefined || median === undefined) throw new RangeError("no runs");
  return { median, least };
}

/**
 * Runs the commands in turns, `runs` times each, so that a busy machine is busy for all, and gives
 * the times of each. One round before brings files and programs into memory and is not counted.
 */
export function inTurns(
  title: string,
  commands: readonly Command[],
  runs: number,
  measure: Measure,
): Times[] {
  const times = commands.map((): number[] => []);
  for (let round = 0; round <= runs; round += 1) {
    progress(`${title}: ${round} of ${runs} rounds`);
    for (let turn = 0; turn < commands.length; turn += 1) {
      // Each round begins with another command.
      const index = (turn + round) % commands.length;
      const command = commands[index];
      if (command === undefined) throw new RangeError(`no command ${index}`);
      const time = measure(command);
      if (round > 0) times[index]?.push(time);
    }
  }
  return times.map(summary);
}

const setPriority = (...words: readonly string[]): string[] => [
  "chrt",
  ...words,
  String(process.pid),
];
const REAL_TIME = setPriority("--fifo", "--pid", String(REAL_TIME_PRIORITY));

/** Whether this process may have real-time priority, and its children with it. */
export function mayHaveRealTimePriority(): boolean {
  if (Bun.which("chrt") === null) return false;
  const isAllowed = Bun.spawnSync(REAL_TIME, { stdin: "ignore" }).exitCode === 0;
  if (isAllowed) leaveRealTimePriority();
  return isAllowed;
}

function leaveRealTimePriority(): void {
  runCommand("Leave real-time priority", setPriority("--other", "--pid", "0"));
}

/**
 * `inTurns` of the time that passes, with real-time priority for this process' main thread, which
 * starts the children, and for these, who inherit it.
 */
export function elapsedInTurns(title: string, commands: readonly Command[], runs: number): Times[] {
  runCommand("Take real-time priority", REAL_TIME);
  try {
    return inTurns(`${title}, elapsed`, commands, runs, elapsedTime);
  } finally {
    leaveRealTimePriority();
  }
}
