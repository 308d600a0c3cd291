/**
 * The usage text, which `-h` prints and which follows a bad command line. Its structure is
 * kexec-tools', because scripts search for its headings and option names; its rows come from the
 * option table.
 */

import type { Option } from "../model/option.ts";
import { OPTIONS } from "./options.ts";
import { KEXEC_DESCRIPTION } from "./program-name.ts";
import { VERSION, versionLine } from "./version.ts";

/** The column at which every description starts, and the width of a console, in characters. */
const HELP_COLUMN = 30;
const COLUMNS = 80;

/** An image type as usage lists it: its name and the long names of its loader options. */
export interface ListedImageType {
  readonly name: string;
  readonly options: readonly string[];
}

/**
 * The usage text, with its last newline. `imageTypes` are listed in their order.
 * @throws RangeError for an image type's option that is not in the option table
 */
export function usageText(
  imageTypes: readonly ListedImageType[],
  version: string = VERSION,
): string {
  const lines = [
    versionLine(version),
    "Usage: kexec [OPTION]... [kernel]",
    KEXEC_DESCRIPTION,
    "",
    ...section("general"),
    "",
    // Scripts may match the blank at the end of these headings.
    "Supported kernel file types and options: ",
    ...imageTypes.flatMap(({ name, options }) => [name, ...options.flatMap(loaderOption)]),
    "",
    "Architecture options: ",
    ...section("arch"),
    "",
    "Options that only onekexec has: ",
    ...section("own"),
    "",
  ];
  return `${lines.join("\n")}\n`;
}

function section(scope: Option["scope"]): string[] {
  return OPTIONS.filter((option) => option.scope === scope).flatMap((option) => {
    const letter = option.short === null ? "    " : `-${option.short}, `;
    return helpLines(` ${letter}${spelling(option)}`, option);
  });
}

function loaderOption(name: string): string[] {
  const option = OPTIONS.find((row) => row.name === name);
  if (option === undefined) throw new RangeError(`no option is called --${name}`);
  return helpLines(`    ${spelling(option)}`, option);
}

/** `--initrd=FILE`, `--dry-run[=text|json]`, `--load` */
export function spelling({ name, argument, argumentName }: Option): string {
  switch (argument) {
    case "none":
      return `--${name}`;
    case "required":
      return `--${name}=${argumentName}`;
    case "optional":
      return `--${name}[=${argumentName}]`;
  }
}

/** A label with its description beside it, wrapped to the width of the console. */
function helpLines(label: string, option: Option): string[] {
  const lines = wrap(option.help, COLUMNS - 1 - HELP_COLUMN);
  return lines.map((line, i) => (i === 0 ? label : "").padEnd(HELP_COLUMN) + line);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
