/**
 * The tables of the benchmark, as text for a terminal and for README.md, where each table stands
 * between two marks of its own.
 */

import { Problem } from "../command.ts";

/** What is measured, in the order of the tables. */
export const SUBJECTS = ["start", "load", "growth", "downtime"] as const;
export type Subject = (typeof SUBJECTS)[number];

/** Of README's paragraphs. */
const COLUMNS = 100;

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => string;
  /** Whether README has the column too. */
  readonly inReadme: boolean;
}

/** Of a table: its head and its rows, cell by cell. */
export type Lines = readonly (readonly string[])[];

export interface Section {
  readonly subject: Subject;
  /** How the numbers were taken: one paragraph, on one line. */
  readonly note: string;
  readonly lines: Lines;
  readonly readmeLines: Lines;
}

/** What onekexec must reach, and whether it does. */
export interface Verdict {
  readonly met: boolean;
  readonly text: string;
}

/** `met: at least 6 times faster`; "-" where nothing must be reached. */
export function showVerdicts(verdicts: readonly Verdict[]): string {
  if (verdicts.length === 0) return "-";
  return verdicts.map(({ met, text }) => `${met ? "met" : "MISSED"}: ${text}`).join("; ");
}

/** The heads of the columns that README has. */
export function readmeHeads<Row>(columns: readonly Column<Row>[]): string[] {
  return columns.filter(({ inReadme }) => inReadme).map(({ head }) => head);
}

/** A table of `rows`. */
export function makeSection<Row>(
  subject: Subject,
  note: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): Section {
  const lines = (chosen: readonly Column<Row>[]): Lines => [
    chosen.map(({ head }) => head),
    ...rows.map((row) => chosen.map(({ cell }) => cell(row))),
  ];
  const readmeLines = lines(columns.filter(({ inReadme }) => inReadme));
  return { subject, note, lines: lines(columns), readmeLines };
}

/** A Markdown table with columns of equal width. */
export function markdown(lines: Lines): string {
  const [head = [], ...rows] = lines;
  const widths = head.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  const show = (line: readonly string[]) =>
    `| ${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [show(head), rule, ...rows.map(show)].join("\n");
}

/** The lines of README.md between which the table of a subject stands. */
export function marksOf(subject: Subject): { readonly start: string; readonly end: string } {
  return {
    start: `<!-- bench ${subject}: made by npm run bench -- --readme -->`,
    end: `<!-- end of bench ${subject} -->`,
  };
}

/** Where the table of a subject stands: between the ends of its marks. @throws Problem */
function placeOf(readme: string, subject: Subject): { readonly from: number; readonly to: number } {
  const { start, end } = marksOf(subject);
  const at = readme.indexOf(start);
  const to = readme.indexOf(end);
  if (at >= 0 && to > at) return { from: at + start.length, to };
  const reason = `README.md needs the lines\n${start}\n${end}`;
  throw new Problem({ step: `Find the place of the table "${subject}"`, reason });
}

/** The words of `text` in lines of at most `COLUMNS` characters. */
export function wrapped(text: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && longer.length > COLUMNS) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line].join("\n");
}

/** README's text with the tables of `sections`; others stay. @throws Problem without the marks */
export function withSections(readme: string, sections: readonly Section[]): string {
  return sections.reduce((text, { subject, note, readmeLines }) => {
    const { from, to } = placeOf(text, subject);
    const block = `\n\n${wrapped(note)}\n\n${markdown(readmeLines)}\n\n`;
    return text.slice(0, from) + block + text.slice(to);
  }, readme);
}

/** The cells of the table that README has of a subject, its head first. @throws Problem */
export function readmeTable(readme: string, subject: Subject): string[][] {
  const { from, to } = placeOf(readme, subject);
  return readme
    .slice(from, to)
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) =>
      line
        .slice(2, -2)
        .split(" | ")
        .map((cell) => cell.trim()),
    );
}
