/**
 * Finds a parameter on the running kernel's command line.
 *
 * This file does not read values, and ignores the parameters for init, which come after `--`.
 */

import { parameters } from "../core/command-line.ts";

/** Those that the kernel saw, each without quotes around all of it. */
function* seenByKernel(commandLine: string): Generator<string> {
  for (const { start, end } of parameters(commandLine)) {
    const parameter = commandLine.slice(start, end).replace(/^"|"$/g, "");
    if (parameter === "--") return;
    yield parameter;
  }
}

const isNamed = (parameter: string, name: string): boolean =>
  parameter.split("=", 1)[0]?.replaceAll("-", "_") === name;

/**
 * True if the kernel got the parameter `name`, with or without a value. In names, the kernel does
 * not distinguish `-` from `_`; it stops at `--`. [linux kernel/params.c parse_args, parameq]
 *
 * @param name written with underscores
 */
export function hasKernelParameter(commandLine: string, name: string): boolean {
  return [...seenByKernel(commandLine)].some((parameter) => isNamed(parameter, name));
}

/** The value of the last such parameter; null where there is none, or it has no value. */
export function kernelParameterValue(commandLine: string, name: string): string | null {
  const last = [...seenByKernel(commandLine)].filter((one) => isNamed(one, name)).at(-1) ?? "";
  const equals = last.indexOf("=");
  return equals < 0 ? null : last.slice(equals + 1).replace(/^"|"$/g, "");
}
