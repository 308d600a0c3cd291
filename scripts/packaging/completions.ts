/** Completions for shells, made from the option table and the image types. */

import { OPTIONS } from "../../src/cli/options.ts";
import type { Option } from "../../src/model/option.ts";

/** What an argument may be: one of some words, a file, or whatever. */
type Argument = { readonly words: readonly string[] } | "file" | "free";

function argumentOf({ name, argumentName }: Option, types: readonly string[]): Argument {
  if (name === "type") return { words: types };
  if (name === "serial") return { words: ["ttyS0", "ttyS1"] };
  if (/^[a-z]+(\|[a-z]+)+$/.test(argumentName)) return { words: argumentName.split("|") };
  return /FILE|PATH/.test(argumentName) ? "file" : "free";
}

const options: readonly Option[] = OPTIONS;
const taking = options.filter(({ argument }) => argument !== "none");

const longWord = ({ name, argument }: Option): string =>
  argument === "required" ? `--${name}=` : `--${name}`;

function bashCase(option: Option, types: readonly string[]): string[] {
  const argument = argumentOf(option, types);
  if (argument === "free") return [`\t--${option.name}) return ;;`];
  const make =
    argument === "file"
      ? "_filedir"
      : `COMPREPLY=($(compgen -W '${argument.words.join(" ")}' -- "$cur"))`;
  const letter = option.short === null ? "" : ` | -${option.short}`;
  return [`\t--${option.name}${letter})`, `\t\t${make}`, "\t\treturn", "\t\t;;"];
}

/** For bash-completion. @param types the names that `--type` takes */
export function bashCompletion(types: readonly string[]): string {
  const letters = options.flatMap(({ short }) => (short === null ? [] : [`-${short}`]));
  const words = [...options.map(longWord), ...letters].join(" ");
  const lines = [
    "# bash completion for kexec(8)",
    "",
    "_kexec() {",
    "\tlocal cur prev words cword split",
    "\t_init_completion -s || return",
    '\tcase "$prev" in',
    ...taking.flatMap((option) => bashCase(option, types)),
    "\tesac",
    "\t$split && return",
    '\tif [[ "$cur" == -* ]]; then',
    `\t\tCOMPREPLY=($(compgen -W '${words}' -- "$cur"))`,
    '\t\t[[ "$COMPREPLY" == *= ]] && compopt -o nospace',
    "\t\treturn",
    "\tfi",
    "\t_filedir",
    "} &&",
    "\tcomplete -F _kexec kexec",
  ];
  return `${lines.join("\n")}\n`;
}

/** Inside single quotes, for _arguments: brackets and colons end a description. */
const zshText = (text: string): string =>
  text.replaceAll(/[[\]:\\]/g, "\\$&").replaceAll("'", "'\\''");

function zshArgument(option: Option, types: readonly string[]): string {
  if (option.argument === "none") return "";
  const argument = argumentOf(option, types);
  const message = zshText(option.argumentName.replaceAll('"', "").toLowerCase());
  const action =
    argument === "file" ? "_files" : argument === "free" ? " " : `(${argument.words.join(" ")})`;
  return `${option.argument === "optional" ? "::" : ":"}${message}:${action}`;
}

/** For zsh, as a file `_kexec` in a folder of $fpath. */
export function zshCompletion(types: readonly string[]): string {
  const rows = options.flatMap((option) => {
    const rest = `[${zshText(option.help)}]${zshArgument(option, types)}`;
    const mark = option.argument === "required" ? "=" : option.argument === "optional" ? "=-" : "";
    const many = option.repeatable ? "*" : "";
    const long = `'${many}--${option.name}${mark}${rest}'`;
    const letter = option.argument === "required" ? "+" : "";
    return option.short === null ? [long] : [long, `'-${option.short}${letter}${rest}'`];
  });
  const all = [...rows, "'*:kernel:_files'"];
  return `#compdef kexec\n\n_arguments -s -S \\\n\t${all.join(" \\\n\t")}\n`;
}

const fishText = (text: string): string =>
  `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

function fishRow(option: Option, types: readonly string[]): string {
  const argument = option.argument === "none" ? null : argumentOf(option, types);
  const words = [
    "complete -c kexec",
    `-l ${option.name}`,
    ...(option.short === null ? [] : [`-s ${option.short}`]),
    ...(argument === null || option.argument === "optional" ? [] : ["-r"]),
    ...(argument === "file" ? ["-F"] : []),
    ...(typeof argument === "object" && argument !== null
      ? [`-f -a '${argument.words.join(" ")}'`]
      : []),
    `-d ${fishText(option.help)}`,
  ];
  return words.join(" ");
}

/** For fish. */
export function fishCompletion(types: readonly string[]): string {
  return `# fish completion for kexec(8)\n${options.map((o) => fishRow(o, types)).join("\n")}\n`;
}
