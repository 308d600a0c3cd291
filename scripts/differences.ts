/**
 * Puts the table of test/conformance/differences.ts into README.md, between its two marks.
 *
 *     bun scripts/differences.ts
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DIFFERENCES, type Difference } from "../test/conformance/differences.ts";
import { Problem, problemText } from "./command.ts";

const README = join(import.meta.dir, "../README.md");
const START =
  "<!-- differences: made by scripts/differences.ts from test/conformance/differences.ts -->";
const END = "<!-- end of differences -->";

/** A Markdown table; a bar inside a cell would end it. */
export function differencesTable(rows: readonly Difference[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [
    line(["kexec-tools", "onekexec", "why"]),
    "|---|---|---|",
    ...rows.map(({ kexecTools, onekexec, why }) => line([kexecTools, onekexec, why])),
  ].join("\n");
}

/** README's text with the table as it is now. @throws Problem where a mark is missing */
export function withDifferences(readme: string): string {
  const start = readme.indexOf(START);
  const end = readme.indexOf(END);
  if (start < 0 || end < start) {
    const reason = `README.md needs the lines\n${START}\n${END}`;
    throw new Problem({ step: "Find the place of the table", reason });
  }
  const before = readme.slice(0, start + START.length);
  return `${before}\n\n${differencesTable(DIFFERENCES)}\n\n${readme.slice(end)}`;
}

function main(): void {
  const readme = readFileSync(README, "utf8");
  const wanted = withDifferences(readme);
  if (readme !== wanted) writeFileSync(README, wanted);
  process.stdout.write(`README.md: ${DIFFERENCES.length} differences\n`);
}

if (import.meta.main) {
  try {
    main();
  } catch (error) {
    process.stderr.write(`${problemText(error)}\n`);
    process.exit(1);
  }
}
