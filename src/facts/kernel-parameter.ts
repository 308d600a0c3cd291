/**
 * Finds a parameter and its value on a kernel's command line.
 *
 * This file ignores the parameters for init, which come after `--`.
 */

import { parameters } from "../core/command-line.ts";

/** Each parameter that the kernel sees, with its value: null where it has no `=`. In names, the
 * kernel does not distinguish `-` from `_`; it stops at `--`.
 * [linux kernel/params.c parse_args, parameq] */
function* kernelParameters(commandLine: string): Generator<[name: string, value: string | null]> {
  for (const { start, end } of parameters(commandLine)) {
    const parameter = commandLine.slice(start, end).replace(/^"|"$/g, "");
    if (parameter === "--") return;
    const at = parameter.indexOf("=");
    const name = at < 0 ? parameter : parameter.slice(0, at);
    const value = at < 0 ? null : parameter.slice(at + 1).replace(/^"|"$/g, "");
    yield [name.replaceAll("-", "_"), value];
  }
}

/**
 * True if the kernel got the parameter `name`, with or without a value.
 * @param name written with underscores
 */
export function hasKernelParameter(commandLine: string, name: string): boolean {
  for (const [key] of kernelParameters(commandLine)) if (key === name) return true;
  return false;
}

/**
 * The value of the last parameter `name` that has one, which for most parameters is the one that
 * counts; null where there is none.
 * @param name written with underscores
 */
export function kernelParameterValue(commandLine: string, name: string): string | null {
  let last: string | null = null;
  for (const [key, value] of kernelParameters(commandLine)) {
    if (key === name && value !== null) last = value;
  }
  return last;
}
