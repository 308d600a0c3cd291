/**
 * glibc's getopt_long over the option table: permutation, `--`, POSIXLY_CORRECT, clusters of
 * letters, abbreviations, and its messages, word for word. Behaviour is glibc 2.36's; the messages
 * are those of the C locale, which kexec-tools never leaves.
 *
 * It gives no meaning to options: that is to-request.ts.
 */

import { KEXEC_TOOLS_OPTIONS, type KnownOption, OWN_OPTIONS } from "./options.ts";

export interface CommandLine {
  /** As the program was called; every message begins with it. */
  readonly argv0: string;
  /** What follows argv0; byte strings. */
  readonly argv: readonly string[];
  /** True if the environment has POSIXLY_CORRECT: options end at the first operand. */
  readonly posixlyCorrect: boolean;
}

/** An option, or what getopt complains of, in the order of the command line. */
export type GetoptEvent =
  | { readonly kind: "option"; readonly option: KnownOption; readonly argument: string | null }
  /** `message` is empty for `-?`, which is an error without a message. */
  | { readonly kind: "error"; readonly message: string };

export interface ParsedCommandLine {
  readonly events: readonly GetoptEvent[];
  /** In their order, wherever options stood between them. */
  readonly operands: readonly string[];
}

/**
 * Tables are asked in turn, and the first in which anything matches decides: so no option of ours
 * can change what an abbreviation of kexec-tools' means, nor what its message lists.
 */
type OptionTables = readonly (readonly KnownOption[])[];

const TABLES: OptionTables = [KEXEC_TOOLS_OPTIONS, OWN_OPTIONS];

/** What is left of the command line. */
interface Rest {
  readonly args: readonly string[];
  next: number;
}

/** Reads all of a command line; goes on after errors, as getopt_long does when called again. */
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

/** One `--name` or `--name=argument`; `text` is without the dashes. */
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

/** The one option meant; several where the abbreviation is ambiguous; none where unknown. */
function candidatesFor(name: string, tables: OptionTables): readonly KnownOption[] {
  for (const table of tables) {
    const exact = table.find((option) => option.name === name);
    if (exact !== undefined) return [exact];
    const [first, ...others] = table.filter((option) => option.name.startsWith(name));
    if (first === undefined) continue;
    // Spellings of the first match are no contradiction to it, and are not listed either.
    return [first, ...others.filter((option) => option.synonymOf !== first.synonymOf)];
  }
  return [];
}

/** Letters after one dash; `-tTYPE` and `-t TYPE` end the cluster. */
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
      // getopt's own word for an error is '?', and kexec-tools also lists it as a letter.
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
