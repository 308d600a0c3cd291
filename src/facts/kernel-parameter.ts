/**
 * Is a parameter on the running kernel's command line?
 *
 * It does not read values, and knows nothing of parameters for init, which come after `--`.
 */

import { parameters } from "../core/command-line.ts";

/**
 * True if the kernel saw the parameter `name`, with or without a value. The kernel takes `-` and
 * `_` in names for the same, and stops at `--`. [linux kernel/params.c parse_args, parameq]
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
