/**
 * glibc's getopt_long over the option table: permutation, `--`, POSIXLY_CORRECT, clusters of
 * letters, abbreviations, and its messages, word for word. The behaviour is glibc 2.36's; the
 * messages are those of the C locale, because kexec-tools never calls setlocale(3).
 *
 * This file does not interpret options: option-handlers.ts does.
 */

import { KEXEC_TOOLS_OPTIONS, type KnownOption, OWN_OPTIONS } from "./options.ts";

export interface CommandLine {
  /** The name that the program was called by; every message begins with it. */
  readonly argv0: string;
  /** The arguments after argv0; byte strings. */
  readonly argv: readonly string[];
  /** True if the environment has POSIXLY_CORRECT: the first operand then ends the options. */
  readonly posixlyCorrect: boolean;
}

/** An option or a getopt error, in the order of the command line. */
export type GetoptEvent =
  | { readonly kind: "option"; readonly option: KnownOption; readonly argument: string | null }
  /** `message` is empty for `-?`, which is an error without a message. */
  | { readonly kind: "error"; readonly message: string };

export interface ParsedCommandLine {
  readonly events: readonly GetoptEvent[];
  /** In the order of the command line, without the options between them. */
  readonly operands: readonly string[];
}

/**
 * getopt searches the tables in order and uses the first one in which a name matches. So none of
 * our options changes the meaning of an abbreviation of a kexec-tools option, or adds a name to the
 * message about an ambiguous one.
 */
type OptionTables = readonly (readonly KnownOption[])[];

const TABLES: OptionTables = [KEXEC_TOOLS_OPTIONS, OWN_OPTIONS];

/** The arguments, and the index of the first one that is not read yet. */
interface Rest {
  readonly args: readonly string[];
  next: number;
}

/** Parses the whole command line. It continues after an error, as getopt_long does when it is
 * called again. */
export function getopt(line: CommandLine, tables: OptionTables = TABLES): ParsedCommandLine {
  const rest: Rest = { args: line.argv, next: 0 };
  const events: GetoptEvent[] = [];
  const operands: string[] = [];
  const complain = (text: string): GetoptEvent => ({
    kind: "error",
    message: `${line.argv0}: ${text}`,
  });
  for (let arg = take(rest); arg !== undefined; arg = take(rest)) {
    if (arg === "--") break;
    if (!arg.startsWith("-") || arg === "-") {
      operands.push(arg);
      if (line.posixlyCorrect) break;
    } else if (arg.startsWith("--")) {
      events.push(longOption(arg.slice(2), rest, tables, complain));
    } else {
      events.push(...cluster(arg.slice(1), rest, tables, complain));
    }
  }
  operands.push(...rest.args.slice(rest.next));
  return { events, operands };
}

function take(rest: Rest): string | undefined {
  const arg = rest.args[rest.next];
  if (arg !== undefined) rest.next += 1;
  return arg;
}

type Complain = (text: string) => GetoptEvent;

/** Parses one `--name` or `--name=argument`; `text` has no leading dashes. */
function longOption(
  text: string,
  rest: Rest,
  tables: OptionTables,
  complain: Complain,
): GetoptEvent {
  const equals = text.indexOf("=");
  const name = equals < 0 ? text : text.slice(0, equals);
  const candidates = candidatesFor(name, tables);
  const option = candidates[0];
  if (option === undefined) return complain(`unrecognized option '--${text}'`);
  if (candidates.length > 1) {
    const list = candidates.map((candidate) => ` '--${candidate.name}'`).join("");
    return complain(`option '--${text}' is ambiguous; possibilities:${list}`);
  }
  if (equals >= 0) {
    if (option.argument === "none") {
      return complain(`option '--${option.name}' doesn't allow an argument`);
    }
    return { kind: "option", option, argument: text.slice(equals + 1) };
  }
  if (option.argument !== "required") return { kind: "option", option, argument: null };
  const argument = take(rest);
  if (argument === undefined) return complain(`option '--${option.name}' requires an argument`);
  return { kind: "option", option, argument };
}

/** The options that `name` may mean: one, several where the abbreviation is ambiguous, none where
 * no option matches. */
function candidatesFor(name: string, tables: OptionTables): readonly KnownOption[] {
  for (const table of tables) {
    const exact = table.find((option) => option.name === name);
    if (exact !== undefined) return [exact];
    const [first, ...others] = table.filter((option) => option.name.startsWith(name));
    if (first === undefined) continue;
    // Synonyms of the first match do not make the name ambiguous, and the message does not list
    // them.
    return [first, ...others.filter((option) => option.synonymOf !== first.synonymOf)];
  }
  return [];
}

/** Parses the letters after one dash. An option with an argument (`-tTYPE`, `-t TYPE`) ends the
 * cluster. */
function cluster(
  letters: string,
  rest: Rest,
  tables: OptionTables,
  complain: Complain,
): GetoptEvent[] {
  const events: GetoptEvent[] = [];
  for (const [i, letter] of [...letters].entries()) {
    const option = tables.flat().find(({ short }) => short === letter);
    if (option === undefined) {
      // getopt(3) returns '?' for an error, and kexec-tools also has it in its option string: `-?`
      // is an error without a message.
      if (letter === "?") events.push({ kind: "error", message: "" });
      else events.push(complain(`invalid option -- '${letter}'`));
    } else if (option.argument === "none") {
      events.push({ kind: "option", option, argument: null });
    } else {
      const attached = letters.slice(i + 1);
      const argument = attached === "" ? take(rest) : attached;
      if (argument === undefined) {
        events.push(complain(`option requires an argument -- '${letter}'`));
      } else events.push({ kind: "option", option, argument });
      break;
    }
  }
  return events;
}
