/** Formats errors, and the lines that `-d` and `--dry-run` print. Pure text. */

import type { KexecError } from "../core/error.ts";

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
