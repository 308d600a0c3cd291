/** This process's arguments and environment as bytes, since `process.argv` and `process.env` lose
 * bytes that are not UTF-8. */

import { readFileSync } from "node:fs";

export interface Arguments {
  /** The name under which the program was called; the caller of exec chooses it. */
  readonly argv0: string;
  readonly argv: readonly string[];
}

/** The path of a compiled program's script begins with this directory of the runtime. */
const COMPILED = "/$bunfs/";

/**
 * Finds this program's arguments in the text of /proc/self/cmdline. They are its last words: other
 * words come first (in development the runtime, its options and the script). `runtimeArgv` has the
 * same arguments after its first two words, which gives their number.
 *
 * @param cmdline words, each terminated by a NUL: a byte string
 * @param runtimeArgv `process.argv`: the runtime, the script, then this program's arguments
 * @throws RangeError where `cmdline` has fewer words than `runtimeArgv` has arguments, a bug
 */
export function argumentsOf(cmdline: string, runtimeArgv: readonly string[]): Arguments {
  const words = cmdline.split("\0").slice(0, -1);
  const count = Math.max(0, runtimeArgv.length - 2);
  const first = words.length - count;
  if (first < 0) throw new RangeError(`${words.length} words in /proc/self/cmdline, not ${count}`);
  const script = runtimeArgv[1] ?? "";
  const argv0 = script.startsWith(COMPILED) ? words[0] : words[first - 1];
  return { argv0: argv0 ?? "", argv: words.slice(first) };
}

/** This process's arguments. */
export function readArguments(): Arguments {
  return argumentsOf(readFileSync("/proc/self/cmdline", "latin1"), process.argv);
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
  return variableOf(readFileSync("/proc/self/environ", "latin1"), name);
}
