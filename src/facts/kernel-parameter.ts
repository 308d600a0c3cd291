/**
 * Finds a parameter on the running kernel's command line.
 *
 * This file does not read values, and ignores the parameters for init, which come after `--`.
 */

import { parameters } from "../core/command-line.ts";

/**
 * True if the kernel got the parameter `name`, with or without a value. In names, the kernel does
 * not distinguish `-` from `_`; it stops at `--`. [linux kernel/params.c parse_args, parameq]
 *
 * @param name written with underscores
 */
export function hasKernelParameter(commandLine: string, name: string): boolean {
  for (const { start, end } of parameters(commandLine)) {
    const parameter = commandLine.slice(start, end).replace(/^"|"$/g, "");
    if (parameter === "--") return false;
    const [key] = parameter.split("=");
    if (key !== undefined && key.replaceAll("-", "_") === name) return true;
  }
  return false;
}
