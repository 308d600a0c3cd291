/** Formats errors, and the lines that `-d` and `--dry-run` print. Pure text. */

import { ExitStatus, type KexecError } from "../core/error.ts";
import type { Console } from "../model/world.ts";

/** The most lines of a hint that follow kexec-tools' own message. */
const HINT_LINES = 3;

/** The error as printed: kexec-tools' own line or lines first, word for word, since scripts grep
 * them; then the hint. */
export function errorText(error: KexecError): string {
  const hint = error.hint?.split("\n").slice(0, HINT_LINES) ?? [];
  return `${[error.message, ...hint].join("\n")}\n`;
}

/** The lines that `-d` and `--dry-run` print, each with its newline. */
export function debugText(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

/**
 * The exit status of a program that is done: not 0 where something of its output is lost, which is
 * said on stderr. kexec-tools ends with 0; differs.
 */
export function statusOfOutput(status: number, { lostOutput, stderr }: Console): number {
  const lost = lostOutput();
  if (lost === null) return status;
  stderr(`kexec: cannot write to standard output: ${lost}\n`);
  return status === ExitStatus.ok ? ExitStatus.general : status;
}
