/** How the program's outcome reads: errors, and what `-d` and `--dry-run` print. Pure text. */

import type { KexecError } from "../core/error.ts";

/** At most this many lines follow kexec-tools' own. */
const HINT_LINES = 3;

/** kexec-tools' own line or lines first, word for word, since scripts grep them; then the hint. */
export function errorText(error: KexecError): string {
  const hint = error.hint?.split("\n").slice(0, HINT_LINES) ?? [];
  return `${[error.message, ...hint].join("\n")}\n`;
}

/** Lines for `-d`, each marked as ours. */
export function debugText(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}
