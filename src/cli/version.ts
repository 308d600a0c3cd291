/** The version of onekexec, from package.json, the only place that has it. */

import { version as packageVersion } from "../../package.json" with { type: "json" };

export const VERSION: string = packageVersion;

/** The kexec-tools release whose command line onekexec accepts. */
const KEXEC_TOOLS_VERSION = "2.0.32";

/** `kexec-tools 2.0.32 (onekexec 0.1.0)`: scripts look for the first two words. */
export function versionLine(version: string = VERSION): string {
  return `kexec-tools ${KEXEC_TOOLS_VERSION} (onekexec ${version})`;
}

/**
 * True if the first argument is `-v` or `--version`: kexec then prints the version and ignores the
 * other arguments. Scripts run `kexec -v` to find out whether there is a kexec; this check answers
 * them without loading the option table.
 */
export function asksForVersionFirst([first]: readonly string[]): boolean {
  return first === "-v" || first === "--version";
}
