/**
 * Measures whole processes of onekexec beside the installed kexec-tools: starting, and loading with
 * initrds of three sizes, up to the system call, which is refused.
 *
 *     bun scripts/bench.ts [--quick]
 *
 * Runs of the two take turns, so that a busy machine is busy for both; the smallest time of each is
 * printed too. Nothing is loaded: all runs are without CAP_SYS_BOOT. --quick leaves the largest
 * initrd out and takes fewer runs. Status 1 means that something could not be run; a target that
 * was missed is only said.
 */

import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { CAP_SYS_BOOT } from "../src/model/host-facts.ts";
import { runKexec } from "../test/conformance/harness.ts";
import { peakMemory } from "../test/conformance/stopped-load.ts";
import { buildKexec, KEXEC } from "./build.ts";
import { Problem, problemText } from "./command.ts";
import { ensureKernel } from "./kernels.ts";
import { ensurePackages, refreshPackageLists } from "./machine.ts";

const KEXEC_TOOLS = "/usr/sbin/kexec";
/** Files here are memory: what is measured is not a disk. */
const SHM = "/dev/shm";
const MIB = 1 << 20;
/** Of random bytes that an initrd repeats; nothing here compresses. */
const BLOCK = 16 * MIB;
const FAILED = 255;
/** What onekexec may need beside the bytes that it loads. */
const MEMORY_ALLOWANCE = 64 * MIB;

interface Case {
  readonly name: string;
  readonly argv: readonly string[];
  /** In bytes; 0: nothing is loaded. */
  readonly initrd: number;
  readonly runs: number;
  readonly status: number;
  readonly target: Target;
}

/** What `ours` must be, compared with `theirs`, in ms. */
interface Target {
  readonly text: string;
  met(theirs: number, ours: number): boolean;
}

interface Times {
  readonly median: number;
  readonly least: number;
}

interface Memory {
  /** In bytes. */
  readonly peak: number;
  readonly loaded: number;
}

interface Row {
  readonly theirs: Times;
  readonly ours: Times;
  readonly memory: { readonly theirs: Memory; readonly ours: Memory } | null;
}

const timesFaster = (factor: number): Target => ({
  text: factor === 1 ? "never slower" : `at least ${factor} times faster`,
  met: (theirs, ours) => ours * factor <= theirs,
});
/** Starting costs a fixed time, which nothing but hashing and reading can make up for. */
const slowerByAtMost = (ms: number): Target => ({
  text: `at most ${ms} ms slower`,
  met: (theirs, ours) => ours - theirs <= ms,
});

function sizeText(mib: number): string {
  return mib >= 1024 ? `${mib / 1024} GiB` : `${mib} MiB`;
}

/** Two cases: with hashing, and without. */
function loads(mib: number, runs: number, hashing: Target, reading: Target): Case[] {
  const one = (options: readonly string[], target: Target): Case => ({
    name: `kexec ${options.join(" ")}, initrd of ${sizeText(mib)}`,
    argv: options,
    initrd: mib * MIB,
    runs,
    status: FAILED,
    target,
  });
  return [one(["-c", "-l"], hashing), one(["-c", "-i", "-l"], reading)];
}

function casesFor(quick: boolean): Case[] {
  const version: Case = {
    name: "kexec -v",
    argv: ["-v"],
    initrd: 0,
    runs: quick ? 21 : 61,
    status: 0,
    target: slowerByAtMost(10),
  };
  return [
    version,
    ...loads(16, quick ? 9 : 31, timesFaster(1), slowerByAtMost(50)),
    ...loads(256, quick ? 5 : 15, timesFaster(3), timesFaster(1)),
    ...(quick ? [] : loads(1024, 9, timesFaster(4), timesFaster(1))),
  ];
}

/** On a terminal, what is being done; it is overwritten. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function writeInitrd(path: string, size: number): void {
  const { bavail, bsize } = statfsSync(SHM);
  if (bavail * bsize < size) {
    const reason = `${SHM} has ${Math.floor((bavail * bsize) / MIB)} MiB left`;
    throw new Problem({ step: `Write ${size / MIB} MiB to ${SHM}`, reason, advice: "--quick" });
  }
  const block = new Uint8Array(BLOCK);
  for (let at = 0; at < BLOCK; at += 65536) {
    crypto.getRandomValues(block.subarray(at, at + 65536));
  }
  const fd = openSync(path, "wx");
  try {
    for (let done = 0; done < size; ) done += writeSync(fd, block, 0, BLOCK);
  } finally {
    closeSync(fd);
  }
}

/** The words of a run; loads have a command line too, as in life. */
function wordsOf(one: Case, kernel: string, initrd: string): string[] {
  if (one.initrd === 0) return [...one.argv];
  return [...one.argv, kernel, `--initrd=${initrd}`, "--append=console=ttyS0"];
}

/** Milliseconds from start to end of a process. @throws Problem where it ended otherwise */
function timeOf(program: string, words: readonly string[], status: number): number {
  const start = Bun.nanoseconds();
  const { exitCode } = Bun.spawnSync([program, ...words], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  const milliseconds = (Bun.nanoseconds() - start) / 1e6;
  if (exitCode === status) return milliseconds;
  const { stdout, stderr } = Bun.spawnSync([program, ...words], { stdin: "ignore" });
  const reason = `exit status ${exitCode} and not ${status}\n${stdout}${stderr}`;
  throw new Problem({ step: `Run ${program} ${words.join(" ")}`, reason });
}

function summary(times: readonly number[]): Times {
  const sorted = times.toSorted((a, b) => a - b);
  const [least, median] = [sorted[0], sorted[sorted.length >> 1]];
  if (least === undefined || median === undefined) throw new RangeError("no runs");
  return { median, least };
}

/** The most memory at a time, up to the system call, and the bytes that it was given. */
async function memoryOf(program: string, words: readonly string[]): Promise<Memory> {
  let memory: Memory | undefined;
  await runKexec(program, words, {
    kexecLoad: "EPERM",
    whenStopped(stopped) {
      const loaded = stopped.segments.reduce((sum, { bufsz }) => sum + Number(bufsz), 0);
      memory = { peak: peakMemory(stopped), loaded };
    },
  });
  if (memory === undefined) {
    throw new Problem({ step: `Measure ${program}`, reason: "it never came to kexec_load" });
  }
  return memory;
}

async function measure(one: Case, kernel: string, folder: string): Promise<Row> {
  const initrd = join(folder, "initrd");
  if (one.initrd > 0) writeInitrd(initrd, one.initrd);
  try {
    const words = wordsOf(one, kernel, initrd);
    const theirs: number[] = [];
    const ours: number[] = [];
    // The first round brings files and programs into memory, and is not counted.
    for (let round = 0; round <= one.runs; round += 1) {
      progress(`${one.name}: ${round} of ${one.runs} runs`);
      const turns = [
        () => theirs.push(timeOf(KEXEC_TOOLS, words, one.status)),
        () => ours.push(timeOf(KEXEC, words, one.status)),
      ];
      for (const turn of round % 2 === 0 ? turns : turns.toReversed()) turn();
    }
    const memory =
      one.initrd === 0
        ? null
        : { theirs: await memoryOf(KEXEC_TOOLS, words), ours: await memoryOf(KEXEC, words) };
    return { theirs: summary(theirs.slice(1)), ours: summary(ours.slice(1)), memory };
  } finally {
    rmSync(initrd, { force: true });
  }
}

const HEAD = [
  "case",
  "kexec-tools, ms",
  "onekexec, ms",
  "ratio",
  "loaded, MiB",
  "peak, MiB",
  "target",
];

const showTimes = ({ median, least }: Times) => `${median.toFixed(1)} (${least.toFixed(1)})`;
const showMib = (bytes: number) => (bytes / MIB).toFixed(0);

/** The cells of a row; the last says whether each target holds. */
function cells(one: Case, { theirs, ours, memory }: Row): string[] {
  const says = (met: boolean, text: string) => `${met ? "met" : "MISSED"}: ${text}`;
  const targets = [says(one.target.met(theirs.median, ours.median), one.target.text)];
  if (memory !== null) {
    const met = memory.ours.peak <= memory.ours.loaded + MEMORY_ALLOWANCE;
    targets.push(says(met, `loaded + ${showMib(MEMORY_ALLOWANCE)} MiB`));
  }
  return [
    one.name,
    showTimes(theirs),
    showTimes(ours),
    (theirs.median / ours.median).toFixed(2),
    memory === null ? "-" : showMib(memory.ours.loaded),
    memory === null ? "-" : `${showMib(memory.theirs.peak)} / ${showMib(memory.ours.peak)}`,
    targets.join("; "),
  ];
}

/** Columns of equal width, as a Markdown table too. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = HEAD.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  const [head = [], ...rest] = rows;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [line(head), rule, ...rest.map(line)].join("\n");
}

/** True if this process could load a kernel, and so its children. */
function maySysBoot(): boolean {
  const status = readFileSync("/proc/self/status", "latin1");
  const word = (name: string) =>
    BigInt(`0x${new RegExp(`^${name}:\\t(\\w+)$`, "m").exec(status)?.[1]}`);
  return ((word("CapEff") | word("CapBnd")) & CAP_SYS_BOOT) !== 0n;
}

/** The same again, in a process that can load nothing. Returns its exit status. */
function runHarmless(words: readonly string[]): number {
  const command = ["setpriv", "--bounding-set=-sys_boot", process.execPath, import.meta.path];
  const { exitCode } = Bun.spawnSync([...command, ...words], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  return exitCode;
}

function prepare(): string {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  ensurePackages(["conformance"], say);
  const kernel = ensureKernel("6.1", say, () => refreshPackageLists(say));
  buildKexec();
  return kernel.vmlinuz;
}

async function main(words: readonly string[]): Promise<number> {
  const unknown = words.find((word) => word !== "--quick");
  if (unknown !== undefined) {
    const reason = `unknown word ${JSON.stringify(unknown)}`;
    throw new Problem({ step: "Read the command line", reason, advice: "bench.ts [--quick]" });
  }
  const kernel = prepare();
  if (maySysBoot()) return runHarmless(words);
  const folder = mkdtempSync(join(SHM, "onekexec-bench-"));
  process.once("SIGINT", () => process.exit(130));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const rows: string[][] = [HEAD];
  for (const one of casesFor(words.includes("--quick"))) {
    rows.push(cells(one, await measure(one, kernel, folder)));
  }
  progress("");
  const version = Bun.spawnSync([KEXEC_TOOLS, "-v"]).stdout.toString().trim();
  process.stdout.write(
    `${version}; ${availableParallelism()} processors; median (least) of a whole process; ` +
      `ratio: how many times faster; peak memory: kexec-tools / onekexec\n\n${table(rows)}\n`,
  );
  return 0;
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  progress("");
  process.stderr.write(`${problemText(error)}\n`);
  process.exit(1);
}
