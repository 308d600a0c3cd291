/**
 * Is a parameter on the running kernel's command line?
 *
 * It does not read values, and knows nothing of parameters for init, which come after `--`.
 */

/** The words of a command line: blanks part them, unless within double quotes.
 * [linux lib/cmdline.c next_arg] */
function words(commandLine: string): string[] {
  return commandLine.match(/(?:[^\s"]|"[^"]*(?:"|$))+/g) ?? [];
}

/**
 * True if the kernel saw the parameter `name`, with or without a value. The kernel takes `-` and
 * `_` in names for the same, and stops at `--`. [linux kernel/params.c parse_args, parameq]
 *
 * @param name written with underscores
 */
export function hasKernelParameter(commandLine: string, name: string): boolean {
  for (const word of words(commandLine)) {
    const parameter = word.replace(/^"|"$/g, "");
    if (parameter === "--") return false;
    const [key] = parameter.split("=");
    if (key !== undefined && key.replaceAll("-", "_") === name) return true;
  }
  return false;
}
