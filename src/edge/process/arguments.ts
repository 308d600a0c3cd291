/** The command line as bytes: the runtime's own `process.argv` has lost what is not UTF-8. */

import { readFileSync } from "node:fs";

export interface Arguments {
  /** As typed, or as whoever started us chose. */
  readonly argv0: string;
  readonly argv: readonly string[];
}

/** The runtime mounts a compiled program here. */
const COMPILED = "/$bunfs/";

/**
 * Finds our arguments in the text of /proc/self/cmdline. Whatever precedes them there (in
 * development the runtime, its options and the script) is not counted; what follows the script is
 * the same list in `runtimeArgv`, so its length tells how many are ours.
 *
 * @param cmdline words, each ended by a NUL: a byte string
 * @param runtimeArgv `process.argv`: the runtime, the script, then our arguments
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

/** The value of a variable in the text of /proc/self/environ: `NAME=VALUE` words, NUL-ended. */
export function variableOf(environ: string, name: string): string | undefined {
  const found = environ.split("\0").find((word) => word.startsWith(`${name}=`));
  return found?.slice(name.length + 1);
}

/** A variable of this process's environment, a byte string. */
export function readVariable(name: string): string | undefined {
  return variableOf(readFileSync("/proc/self/environ", "latin1"), name);
}
