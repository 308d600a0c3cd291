/**
 * Runs a kexec under strace and tells what it said and which system calls it made. The calls that
 * load are never made: strace answers them. What could stop the machine is refused twice: by the
 * guard, before anything runs, and by strace and namespaces of its own, should the guard be wrong.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { slots } from "../slots.ts";
import { assertHarmless } from "./guard.ts";
import { atLoad, LoadNotReached, type StoppedLoad } from "./stopped-load.ts";
import { type Call, readLog } from "./strace-log.ts";

/** 0, or the error that the call shall fail with, as strace names it. */
export type Answer = 0 | `E${string}` | number;

/** What the machine shall look like to kexec; what is not named stays as it is. */
export interface FakeMachine {
  /** /sys/kernel/kexec_loaded, and so on: the text of the file, or null: there is none. */
  readonly kexec_loaded?: string | null;
  readonly kexec_crash_loaded?: string | null;
  /** /proc/cmdline */
  readonly cmdline?: string;
  /** Nothing of EFI, EDD and the firmware's memory map. */
  readonly firmware?: "none";
  /** By absolute paths: instead of those of /proc; and what there is of /sys's folders that any of
   * them is in, which are those of `REPLACED`. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
}

/** In each thread the call fails for the `when`th time that it is made, from 1 on. */
export interface Fault {
  readonly call: string;
  readonly error: `E${string}`;
  readonly when: number;
}

export interface RunOptions {
  readonly kexecLoad?: Answer;
  readonly kexecFileLoad?: Answer;
  readonly machine?: FakeMachine;
  /** A named pipe, and the file whose bytes come out of it. */
  readonly feed?: { readonly fifo: string; readonly from: string };
  /** A system call that fails for once. */
  readonly fault?: Fault;
  /** An ordinary user to run as. */
  readonly user?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called while kexec is stopped, right after its only kexec_load, which must be reached. */
  readonly whenStopped?: (stopped: StoppedLoad) => void;
}

export interface Outcome {
  /** null: killed by `signal`. */
  readonly status: number | null;
  readonly signal: string | null;
  /** Byte strings. */
  readonly stdout: string;
  readonly stderr: string;
  readonly calls: readonly Call[];
  /** Whether `RunOptions.fault` came to pass. */
  readonly faultHappened: boolean;
}

const SECONDS = 200;
/** Longer than every command line here; a text that strace cuts short is an error. */
const TEXT = "1048576";
const TRACED = "kexec_load,kexec_file_load,reboot,sync,execve,ioctl";

const inject = (call: string, answer: Answer, more = ""): string[] => [
  "-e",
  `inject=${call}:${answer === 0 ? "retval=0" : `error=${answer}`}${more}`,
];

function straceArguments(log: string, options: RunOptions): string[] {
  const { fault } = options;
  const traced = fault === undefined ? TRACED : `${TRACED},${fault.call}`;
  return [
    ...["-f", "-qq", "-yy", "-v", "-X", "raw", "-s", TEXT, "-o", log, "-e", `trace=${traced}`],
    ...["-e", "signal=none"],
    ...(fault === undefined ? [] : inject(fault.call, fault.error, `:when=${fault.when}`)),
    ...inject("kexec_load", options.kexecLoad ?? 0, options.whenStopped ? ":signal=STOP" : ""),
    ...inject("kexec_file_load", options.kexecFileLoad ?? 0),
    ...inject("sync", 0),
    // The second fence. strace cannot tell one ioctl from another, so SIOCSIFFLAGS goes with all;
    // the execve that starts kexec is strace's own and goes through.
    ...inject("reboot", "EPERM"),
    ...inject("ioctl", "ENOTTY"),
    ...inject("execve", "EACCES"),
    ...(options.user === undefined ? [] : ["-u", options.user]),
  ];
}

/** Folders of /sys that are replaced as a whole. */
const REPLACED = ["/sys/firmware", "/sys/kernel", "/sys/devices/system/cpu"];

/**
 * Shell words that put `files` where they belong. /proc gets links to the real one, since not every
 * kernel has each of its files, and nobody can make one there.
 */
function replaceFiles(directory: string, files: NonNullable<FakeMachine["files"]>): string[] {
  const tree = join(directory, "tree");
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), content);
  }
  const real = join(directory, "proc");
  const folders = REPLACED.filter((folder) => existsSync(join(tree, folder)));
  return [
    `mkdir -p ${real} ${tree}/proc`,
    `mount --bind /proc ${real}`,
    // Files that are replaced are there already, and stay.
    `ln -s ${real}/* ${tree}/proc/ 2>/dev/null || :`,
    ...folders.map((folder) => `mount --bind ${tree}${folder} ${folder}`),
    `mount --bind ${tree}/proc /proc`,
  ];
}

/** Shell words that make the fake machine in a mount namespace of its own. */
function fakeMachine(directory: string, machine: FakeMachine): string[] {
  const bootParams = join(directory, "boot-params");
  const lines = [
    `cat /sys/kernel/boot_params/data >${bootParams} 2>/dev/null || :`,
    "mount -t tmpfs none /sys/kernel",
    `[ ! -s ${bootParams} ] || { mkdir /sys/kernel/boot_params; cp ${bootParams} /sys/kernel/boot_params/data; }`,
  ];
  const put = (file: string, text: string, target: string): string[] => {
    writeFileSync(join(directory, file), text, "latin1");
    return [`touch ${target} 2>/dev/null || :`, `mount --bind ${join(directory, file)} ${target}`];
  };
  for (const file of ["kexec_loaded", "kexec_crash_loaded"] as const) {
    const text = machine[file];
    if (typeof text === "string") lines.push(...put(file, text, `/sys/kernel/${file}`));
  }
  if (machine.cmdline !== undefined)
    lines.push(...put("cmdline", machine.cmdline, "/proc/cmdline"));
  if (machine.firmware === "none") lines.push("mount -t tmpfs none /sys/firmware");
  if (machine.files !== undefined) lines.push(...replaceFiles(directory, machine.files));
  return lines;
}

/** A network in which there is nothing to take down, and processes whose reboot stops only them. */
const NAMESPACES = ["--net", "--pid", "--mount", "--fork", "--kill-child"];

/** What runs strace: a shell in namespaces of its own, which takes kexec's arguments, any bytes,
 * from a file. */
function fence(
  directory: string,
  argv: readonly string[],
  machine: FakeMachine | undefined,
): string[] {
  const words = join(directory, "argv");
  writeFileSync(words, argv.map((word) => `${word}\0`).join(""), "latin1");
  const script = [
    "set -e",
    `mapfile -d "" -t words <${words}`,
    ...(machine === undefined ? [] : fakeMachine(directory, machine)),
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is bash's.
    'exec strace "$@" "${words[@]}"',
  ];
  return [...NAMESPACES, "bash", "-c", script.join("\n"), "bash"];
}

/** Somebody who writes into the pipe, once somebody reads. */
function feed({ feed }: RunOptions): ChildProcess | undefined {
  if (feed === undefined) return undefined;
  return spawn("sh", ["-c", 'exec cat "$1" >"$2"', "sh", feed.from, feed.fifo], {
    stdio: "ignore",
  });
}

/** Ends `feeder`, if it has not ended by itself, and waits for that. */
async function ended(feeder: ChildProcess): Promise<void> {
  if (feeder.exitCode !== null || feeder.signalCode !== null) return;
  const gone = once(feeder, "exit");
  feeder.kill("SIGKILL");
  await gone;
}

interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The end of `child` and what it said. */
async function end(child: ChildProcess): Promise<Ended> {
  const collect = async (stream: Readable | null): Promise<string> => {
    const parts: Buffer[] = [];
    for await (const part of stream ?? []) parts.push(Buffer.from(part));
    return Buffer.concat(parts).toString("latin1");
  };
  const ended = new Promise<{ status: number | null; signal: string | null }>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) => resolve({ status, signal }));
  });
  const [stdout, stderr, how] = await Promise.all([
    collect(child.stdout),
    collect(child.stderr),
    ended,
  ]);
  return { ...how, stdout, stderr };
}

/** strace marks the calls whose result it made, each on the line where the call ends. */
function hasFault(log: string, { fault }: RunOptions): boolean {
  if (fault === undefined) return false;
  const pattern = `\\b${fault.call}(?:\\(| resumed).* = -1 ${fault.error} .*\\(INJECTED\\)$`;
  return new RegExp(pattern, "m").test(log);
}

/** With a fault kexec may end before the load. */
async function untilLoad(
  program: string,
  log: string,
  child: ChildProcess,
  look: NonNullable<RunOptions["whenStopped"]>,
  { fault }: RunOptions,
): Promise<void> {
  try {
    await atLoad(program, log, child, look, fault?.call);
  } catch (error) {
    if (fault === undefined || !(error instanceof LoadNotReached)) throw error;
  }
}

async function runIn(
  directory: string,
  binary: string,
  argv: readonly string[],
  options: RunOptions,
): Promise<Outcome> {
  const log = join(directory, "strace.log");
  const program = join(directory, "kexec");
  chmodSync(directory, 0o755);
  symlinkSync(binary, program);
  const words = [
    ...fence(directory, argv, options.machine),
    ...straceArguments(log, options),
    program,
  ];
  const child = spawn("unshare", words, {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: SECONDS * 1000,
    // unshare outlives every other signal.
    killSignal: "SIGKILL",
    env: { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin", ...options.env },
  });
  const { whenStopped } = options;
  const [ended] = await Promise.all([
    end(child),
    whenStopped === undefined ? null : untilLoad(program, log, child, whenStopped, options),
  ]);
  const text = readFileSync(log, "latin1");
  return {
    ...ended,
    stdout: ended.stdout.replaceAll(program, "kexec"),
    stderr: ended.stderr.replaceAll(program, "kexec"),
    calls: readLog(text, options.fault?.call),
    faultHappened: hasFault(text, options),
  };
}

/** As many runs at a time as the machine has processors. */
const inSlot = slots(availableParallelism());

async function runAndRemove(
  binary: string,
  argv: readonly string[],
  options: RunOptions,
): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), "onekexec-run-"));
  const feeder = feed(options);
  try {
    return await runIn(directory, binary, argv, options);
  } finally {
    // Gone, and not just told to go: the next run's reader may otherwise meet it at the pipe.
    if (feeder !== undefined) await ended(feeder);
    rmSync(directory, { recursive: true });
  }
}

/**
 * Runs `binary` with `argv` and waits for its end. Its argv[0] reads "kexec" in what it says.
 * @throws Error at once for a command line that might stop the machine; later where strace or the
 *   namespaces cannot be had
 */
export function runKexec(
  binary: string,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  assertHarmless(argv);
  return inSlot(() => runAndRemove(binary, argv, options));
}
