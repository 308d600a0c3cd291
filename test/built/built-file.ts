/**
 * The built executable, for the tests of this folder: where it is, how to run it, and a directory
 * for what they need. Root is needed for most of them; nothing is ever loaded or started:
 * `record-load` stands between the program and the kernel's calls.
 */

import { execFileSync, spawnSync } from "node:child_process";
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { makeBzImage } from "../images/make-bzimage.ts";

export const ROOT = join(import.meta.dir, "..", "..");

/** `KEXEC_UNDER_TEST` names another copy, such as the one that a package installed. */
export const KEXEC = process.env.KEXEC_UNDER_TEST ?? join(ROOT, "dist", "kexec");

accessSync(KEXEC, constants.X_OK);
if (process.getuid?.() !== 0) throw new Error("the tests of the built file need root");

/** Not in /tmp, which some tests replace. */
const SCRATCH_PARENT = "/var/tmp";

/** A new directory; the tests of a file remove theirs at the end. */
export function makeScratch(): string {
  return mkdtempSync(join(SCRATCH_PARENT, "onekexec-built-"));
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly argv0?: string;
  /** A byte string for stdin; without it stdin is /dev/null. */
  readonly input?: string;
  readonly seconds?: number;
}

export interface Outcome {
  readonly status: number | null;
  readonly signal: string | null;
  /** Byte strings. */
  readonly stdout: string;
  readonly stderr: string;
}

/** All that a program gets unless a test says more. */
export const CLEAN_ENVIRONMENT = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };

/** Runs a program to its end. @throws where it cannot be started */
export function run(command: readonly string[], options: RunOptions = {}): Outcome {
  const [program = "", ...args] = command;
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, {
    cwd: options.cwd ?? "/",
    env: { ...CLEAN_ENVIRONMENT, ...options.env },
    argv0: options.argv0 ?? program,
    ...(options.input === undefined ? {} : { input: Buffer.from(options.input, "latin1") }),
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    encoding: "latin1",
    timeout: (options.seconds ?? 120) * 1000,
    maxBuffer: 1 << 28,
  });
  if (error !== undefined) throw error;
  return { status, signal, stdout, stderr };
}

/**
 * Runs a program with words that are byte strings: spawning itself would make UTF-8 of them.
 * @throws where it cannot be started
 */
export function runBytes(command: readonly string[], options: RunOptions = {}): Outcome {
  const input = command.map((word) => `${word}\0`).join("");
  // xargs tells by its own statuses (123 to 127) of any that is not 0: sh keeps the program's.
  const keep = '"$@"; echo "status $?" >&2';
  // -x: never several commands of a part of the words each.
  const script = ["xargs", "-0", "-x", "-n", `${command.length}`, "/bin/sh", "-c", keep, "sh"];
  const { stdout, stderr, signal } = run(script, { ...options, input });
  const [, own = "", status] = /^(.*)status (\d+)\n$/s.exec(stderr) ?? [];
  return { stdout, stderr: own, signal, status: status === undefined ? null : Number(status) };
}

/** A script of `sh`, whose `$1`, `$2`, … are `words`. */
export function shell(script: string, words: readonly string[], options?: RunOptions): Outcome {
  return run(["/bin/sh", "-c", script, "sh", ...words], options);
}

/** Compiles one of this folder's C files into `directory`; returns the path of what was made. */
export function compile(
  name: string,
  directory: string,
  flags: readonly string[] = [],
  outputName = name,
): string {
  const output = join(directory, outputName);
  const source = join(import.meta.dir, `${name}.c`);
  execFileSync("gcc", ["-O1", "-Wall", "-Wextra", "-Werror", ...flags, "-o", output, source]);
  return output;
}

/** A kernel that can be loaded, in `directory`; returns its path. */
export function plantKernel(directory: string, name = "kernel"): string {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, name);
  writeFileSync(path, makeBzImage());
  return path;
}

/** A machine recorded in QEMU: plans for it are the same everywhere. */
export const FACTS = join(ROOT, "test/facts/machines/qemu-1g-bios.json");

export interface RecordedSegment {
  readonly mem: bigint;
  readonly memsz: bigint;
  readonly bufsz: number;
  /** The first MiB of it. */
  readonly bytes: string;
}

/** A call that the kernel would have got. Texts are byte strings. */
export type RecordedCall =
  | {
      readonly call: "kexec_load";
      readonly entry: bigint;
      readonly flags: bigint;
      readonly segments: readonly RecordedSegment[];
    }
  | {
      readonly call: "kexec_file_load";
      readonly flags: bigint;
      readonly kernel: string;
      readonly initrd: string;
      readonly commandLine: string;
    };

const unhex = (word = "x"): string => Buffer.from(word.slice(1), "hex").toString("latin1");

/** The calls in the text that `record-load` wrote. */
export function parseRecord(text: string): RecordedCall[] {
  const calls: RecordedCall[] = [];
  let segments: RecordedSegment[] = [];
  for (const line of text.split("\n")) {
    const [what, first = "", ...rest] = line.split(" ");
    if (what === "kexec_load") {
      segments = [];
      const [flags = ""] = rest;
      calls.push({ call: what, entry: BigInt(first), flags: BigInt(flags), segments });
    } else if (what === "segment") {
      const [mem = "", memsz = "", bytes] = rest;
      segments.push({
        mem: BigInt(mem),
        memsz: BigInt(memsz),
        bufsz: Number(first),
        bytes: unhex(bytes),
      });
    } else if (what === "kexec_file_load") {
      const [kernel, initrd, commandLine] = rest.map(unhex);
      calls.push({
        call: what,
        flags: BigInt(first),
        kernel: kernel ?? "",
        initrd: initrd ?? "",
        // The kernel's length counts the NUL.
        commandLine: (commandLine ?? "").replace(/\0$/, ""),
      });
    } else if (line !== "") throw new Error(`not a line of record-load: ${line.slice(0, 80)}`);
  }
  return calls;
}

export interface Recorder {
  readonly program: string;
  /** The words that go before a command to run it recorded. */
  readonly words: readonly string[];
  /** The calls of what ran last. */
  calls(): RecordedCall[];
}

/** Compiles `record-load` in `directory`. */
export function makeRecorder(directory: string): Recorder {
  const program = compile("record-load", directory);
  return recorderTo(program, join(directory, "record"));
}

/** For runs at the same time: each with its own `output`. */
export function recorderTo(program: string, output: string): Recorder {
  return {
    program,
    words: [program, output],
    calls: () => parseRecord(readFileSync(output, "latin1")),
  };
}

/** The dynamic libraries of the built file, by the absolute paths that the loader has for them. */
export function librariesOf(program: string): string[] {
  const text = execFileSync("ldd", [program]).toString();
  return [...text.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path ?? "");
}
