/** `--append`, `--command-line` and `--reuse-cmdline` become one kernel command line. */

import { parameters } from "../core/command-line.ts";
import { fail } from "../core/error.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { LoaderRequest } from "../model/request.ts";

/**
 * Removes each parameter that begins with `prefix`, and the one blank after it; all else stays as
 * it is, byte for byte, as in kexec-tools.
 */
export function removeParameters(commandLine: string, prefix: string): string {
  let rest = "";
  let from = 0;
  for (const { start, end } of parameters(commandLine)) {
    if (!commandLine.startsWith(prefix, start)) continue;
    rest += commandLine.slice(from, start);
    from = end + 1;
  }
  return rest + commandLine.slice(from);
}

/**
 * The running kernel's command line without BOOT_IMAGE, which the boot loader added, and without
 * the parameters that begin with a prefix in `notReused`. [kexec-man --reuse-cmdline]
 */
const reusable = (bootCommandLine: string, notReused: readonly string[]): string =>
  ["BOOT_IMAGE", ...notReused].reduce(removeParameters, bootCommandLine);

/**
 * The requested command line, a byte string; null where none was requested. The running kernel's
 * parameters (`--reuse-cmdline`) come first, then those of `--append` or `--command-line`.
 * @param notReused prefixes of parameters that `--reuse-cmdline` leaves out
 * @throws KexecError `facts.command-line` where `--reuse-cmdline` has nothing to reuse
 */
export function nextCommandLine(
  loader: LoaderRequest,
  facts: HostFacts,
  notReused: readonly string[],
): string | null {
  if (!loader.reuseCommandLine) return loader.commandLine;
  if (facts.bootCommandLine === null) {
    return fail({
      code: "facts.command-line",
      message: "Failed to read /proc/cmdline",
      hint: "--reuse-cmdline reads it: mount proc on /proc, or give the parameters with --append.",
    });
  }
  const reused = reusable(facts.bootCommandLine, notReused);
  return loader.commandLine === null ? reused : `${reused} ${loader.commandLine}`;
}
