/** This process's arguments and environment as bytes, since `process.argv` and `process.env` lose
 * bytes that are not UTF-8. */

import { readFileSync } from "node:fs";
import { ExitStatus, fail } from "../../core/error.ts";
import { errnoOf } from "../files/errno-of.ts";

export interface Arguments {
  /** The name under which the program was called; the caller of exec chooses it. */
  readonly argv0: string;
  readonly argv: readonly string[];
}

/** The path of a compiled program's script begins with this directory of the runtime. */
const COMPILED = "/$bunfs/";

/**
 * Finds our arguments in the text of /proc/self/cmdline. Whatever precedes them there (in
 * development the runtime, its options and the script) is not counted; what follows the script is
 * the same list in `runtimeArgv`, so its length tells how many are ours. Where the text does not
 * have them, the runtime's list serves, unless bytes that are not UTF-8 were lost in it.
 *
 * @param cmdline words, each ended by a NUL: a byte string; empty where it cannot be read
 * @param runtimeArgv `process.argv`: the runtime, the script, then our arguments
 * @throws KexecError `host.arguments`
 */
export function argumentsOf(
  cmdline: string,
  runtimeArgv: readonly string[],
  runtimeArgv0: string,
): Arguments {
  const words = cmdline.split("\0").slice(0, -1);
  const count = Math.max(0, runtimeArgv.length - 2);
  const first = words.length - count;
  const own = runtimeArgv.slice(2);
  const argv = words.slice(first);
  if (first < 1 || !own.every((word, i) => !ASCII.test(word) || word === argv[i])) {
    return { argv0: asBytes(runtimeArgv0), argv: own.map(asBytes) };
  }
  const script = runtimeArgv[1] ?? "";
  const argv0 = script.startsWith(COMPILED) ? words[0] : words[first - 1];
  return { argv0: argv0 ?? "", argv };
}

const ASCII = /^[\0-\x7f]*$/;

/** A text of the runtime's as a byte string. @throws KexecError where bytes of it were lost */
function asBytes(text: string): string {
  if (text.includes("\ufffd")) {
    fail({
      code: "host.arguments",
      message: "/proc/self/cmdline cannot be read, and a word of the command line is not UTF-8",
      hint: "kexec has no other way to the bytes of such a word: mount /proc.",
      exitStatus: ExitStatus.failed,
    });
  }
  return Buffer.from(text, "utf8").toString("latin1");
}

/** A file of /proc, a byte string; null where it cannot be read: /proc may be missing or hidden. */
function readProc(path: string): string | null {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
}

/** This process's arguments. */
export function readArguments(): Arguments {
  return argumentsOf(readProc("/proc/self/cmdline") ?? "", process.argv, process.argv0);
}

/** The value of variable `name`; undefined if it is not set.
 * @param environ the text of /proc/self/environ: `NAME=VALUE` words, each terminated by a NUL */
export function variableOf(environ: string, name: string): string | undefined {
  const found = environ.split("\0").find((word) => word.startsWith(`${name}=`));
  return found?.slice(name.length + 1);
}

/** The value of variable `name` in this process's environment, a byte string; undefined if it is
 * not set. */
export function readVariable(name: string): string | undefined {
  const environ = readProc("/proc/self/environ");
  if (environ !== null) return variableOf(environ, name);
  const value = process.env[name];
  return value === undefined ? undefined : asBytes(value);
}
