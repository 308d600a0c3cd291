/**
 * Every system call of the program fails in turn, once, in a run under strace that loads nothing.
 * Whatever fails, the program says so in words of its own or does without, loads no other bytes
 * than planned, and leaves nothing half loaded.
 */

import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { hexOf } from "../../src/core/bytes.ts";
import { sha256 } from "../../src/core/digest.ts";
import { filesOf, recorded } from "../conformance/crash-machine.ts";
import { type FakeMachine, type Fault, type Outcome, runKexec } from "../conformance/harness.ts";
import { FOLDER, GZIPPED, INITRD, KERNEL } from "../conformance/inputs.ts";
import { ONEKEXEC } from "../conformance/programs.ts";
import { segmentBytes } from "../conformance/stopped-load.ts";
import type { Call } from "../conformance/strace-log.ts";

export interface Scenario {
  readonly name: string;
  readonly argv: readonly string[];
  readonly machine?: FakeMachine;
  /** Whether it loads by kexec_load, whose segments are looked at. */
  readonly loads: boolean;
  /** What may load by kexec_load where kexec_file_load could not be had. */
  readonly fallback?: readonly string[];
}

const FILES = [`--initrd=${INITRD}`, "--command-line=quiet"];
const LOAD = [KERNEL, ...FILES];
const CRASH: FakeMachine = { files: filesOf(recorded("qemu-uefi-crash")) };
export const FACTS_FILE = join(FOLDER, "saved-facts.json");

export const SCENARIOS: readonly Scenario[] = [
  { name: "-c -l", argv: ["-c", "-l", ...LOAD], loads: true },
  { name: "-s -l", argv: ["-s", "-l", ...LOAD], loads: false },
  {
    ...{ name: "-a -l", argv: ["-a", "-l", ...LOAD], loads: false },
    fallback: ["-c", "-l", ...LOAD],
  },
  // What is extracted goes to the kernel in a file of its own, in memory.
  { name: "-s -l of a compressed kernel", argv: ["-s", "-l", GZIPPED, ...FILES], loads: false },
  {
    ...{
      name: "-a -l of a compressed kernel",
      argv: ["-a", "-l", GZIPPED, ...FILES],
      loads: false,
    },
    fallback: ["-c", "-l", GZIPPED, ...FILES],
  },
  { name: "-c -p", argv: ["-c", "-p", ...LOAD], machine: CRASH, loads: true },
  { name: "-u", argv: ["-u"], loads: false },
  { name: "--save-facts", argv: [`--save-facts=${FACTS_FILE}`], loads: false },
  { name: "--doctor", argv: ["--doctor"], loads: false },
];

/**
 * Calls by which the program reads and writes, and the errors that each fails with. Not here:
 * memory and threads (mmap, futex, madvise), with which the runtime does as it likes and without
 * which it cannot run, and close, whose failure closes all the same. [close(2)]
 */
export const CALLS: readonly (readonly [call: string, ...errors: `E${string}`[]])[] = [
  ["openat", "EACCES", "EMFILE"],
  ["open", "EACCES"],
  ["read", "EIO", "EINTR"],
  ["pread64", "EIO"],
  ["write", "EIO"],
  ["pwrite64", "ENOSPC", "EFBIG"],
  ["fstat", "EIO"],
  ["newfstatat", "EACCES"],
  ["statx", "EPERM"],
  ["statfs", "EACCES"],
  ["lseek", "EINVAL"],
  ["getdents64", "EIO"],
  ["readlink", "EACCES"],
  ["memfd_create", "EPERM", "ENOSYS"],
  ["ftruncate", "EPERM"],
  ["fcntl", "EPERM"],
  ["uname", "EFAULT"],
  ["access", "EACCES"],
  ["faccessat", "EACCES"],
  ["rename", "EACCES"],
  ["renameat", "EACCES"],
  ["fsync", "EIO"],
  ["fchmod", "EPERM"],
  ["unlink", "EACCES"],
  ["socket", "EPERM"],
];

/** How often each thread that makes a call makes it before the program's own code runs: what `-v`
 * makes, less what it writes itself. */
function callsOfStart(): ReadonlyMap<string, number> {
  const log = join(FOLDER, "start.log");
  const words = ["-f", "-qq", "-o", log, "-e", "signal=none", ONEKEXEC, "-v"];
  const { status } = spawnSync("strace", words, { stdio: "ignore", timeout: 60_000 });
  if (status !== 0) throw new Error(`strace ${words.join(" ")}: status ${status}`);
  const lines = spawnSync("cat", [log]).stdout.toString("latin1").split("\n");
  rmSync(log);
  const first = lines[0]?.split(" ", 1)[0];
  const counts = new Map<string, number>();
  for (const line of lines) {
    const [, pid, call] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    if (pid === first && call !== undefined) counts.set(call, (counts.get(call) ?? 0) + 1);
  }
  counts.set("write", 0);
  return counts;
}

/** Of kexec_load, SHA-256 of each segment of at least 64 KiB: kernel, initrd and the like. Of
 * kexec_file_load, all that it was given. */
export type Loaded = readonly string[];
const LARGE = 1 << 16;

export interface FaultyRun {
  readonly outcome: Outcome;
  readonly loaded: Loaded;
}

export async function runScenario(
  { argv, machine, loads, fallback }: Scenario,
  fault?: Fault,
): Promise<FaultyRun> {
  let loaded: Loaded = [];
  rmSync(FACTS_FILE, { force: true });
  const outcome = await runKexec(ONEKEXEC, argv, {
    ...(machine === undefined ? {} : { machine }),
    ...(fault === undefined ? {} : { fault }),
    ...(loads || (fallback !== undefined && fault !== undefined)
      ? {
          whenStopped: (stopped) => {
            loaded = segmentBytes(stopped)
              .filter(({ length }) => length >= LARGE)
              .map((bytes) => hexOf(sha256(bytes)));
          },
        }
      : {}),
  });
  return { outcome, loaded: [...loaded, ...outcome.calls.flatMap(fileLoad)] };
}

/** All that a scenario may load: what it loads without a fault, by either call.
 * @param sound its run without a fault */
export async function plannedBy(scenario: Scenario, sound: FaultyRun): Promise<Loaded> {
  const { fallback: argv } = scenario;
  if (argv === undefined) return sound.loaded;
  const byFallback = await runScenario({ ...scenario, argv, loads: true });
  return [...sound.loaded, ...byFallback.loaded];
}

/** A kexec_file_load that hands over a kernel, as one text: an unload hands over none, nor does the
 * question whether the running kernel has the call. */
function fileLoad(call: Call): string[] {
  if (call.name !== "kexec_file_load" || call.kernel === null) return [];
  const { kernel, initrd, commandLine, flags } = call;
  return [JSON.stringify([kernel, initrd, commandLine, flags.toString()])];
}

/** What no user may see: texts of the runtime, and of errors that nobody foresaw. */
const RAW = new RegExp(
  "internal error|\\bat .*\\.ts:|/\\$bunfs|\\bBun v|panic|undefined|\\[object|" +
    "TypeError|RangeError|errno:|syscall:",
);

/** What is wrong with a run; empty where nothing is. */
export function wrongs({ outcome, loaded }: FaultyRun, planned: Loaded): string[] {
  const { status, signal, stderr, calls } = outcome;
  const wrong: string[] = [];
  if (signal !== null) wrong.push(`killed by ${signal}`);
  // 128 and more: the shell's word for a signal; 253 to 255 are kexec-tools'.
  if (status !== null && status >= 128 && status < 250) wrong.push(`status ${status}`);
  if (RAW.test(stderr)) wrong.push(`says: ${stderr.slice(0, 300)}`);
  if (status !== 0 && status !== 1 && stderr === "") wrong.push(`status ${status} without a word`);
  const others = loaded.filter((digest) => !planned.includes(digest));
  if (others.length > 0) wrong.push(`other bytes than planned: ${others}`);
  const last = calls.findLast(({ name }) => name.startsWith("kexec_"));
  const left = last?.name === "kexec_load" && last.segments.length > 0 && last.result === "0";
  if (left && status !== 0) wrong.push(`status ${status} with a kernel loaded`);
  return wrong;
}

/** One call that fails: which, and which time it is made after the program's start. */
export interface Injection extends Fault {
  readonly scenario: Scenario;
}

let start: ReadonlyMap<string, number> | null = null;

/** The faults of one call in a scenario, from the first after the start on. */
export function injection(
  scenario: Scenario,
  call: string,
  error: `E${string}`,
  number: number,
): Injection {
  start ??= callsOfStart();
  return { scenario, call, error, when: (start.get(call) ?? 0) + 1 + number };
}

export const faultName = ({ scenario, call, error, when }: Injection): string =>
  `${scenario.name}: ${call} number ${when} fails with ${error}`;
