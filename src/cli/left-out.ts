/** Warnings of words of the command line that do not count; kexec-tools says nothing of them. */

import type { GetoptEvent } from "./getopt.ts";

/** Of a value that a warning shows, in characters: a command line may be far longer. */
const SHOWN = 80;

interface Given {
  /** As `--name=value`. */
  readonly spelt: string;
  readonly value: string;
}

const shortened = (text: string): string =>
  text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text;

/** What to write where all of them are meant; empty where there is no way. */
function howToJoin(name: string, all: readonly Given[]): string {
  const values = all.map(({ value }) => shortened(value));
  switch (name) {
    case "initrd":
      return ` To load all: cat ${values.join(" ")} > FILE, then --initrd=FILE.`;
    case "command-line":
      return ` To pass all, join them: --append="${values.join(" ")}".`;
    default:
      return "";
  }
}

function warningOf(name: string, all: readonly Given[]): string[] {
  const last = all.at(-1);
  const left = all.slice(0, -1).filter(({ value }) => value !== last?.value);
  if (last === undefined || left.length === 0) return [];
  const words = [...new Set(left.map(({ spelt }) => spelt))].join(", ");
  const are = left.length === 1 ? "is" : "are";
  const rule = `only the last one counts: ${last.spelt}.`;
  return [`${words} ${are} left out, since ${rule}${howToJoin(name, [...left, last])}`];
}

/**
 * A sentence or two for each option that was given more than once, with different values, of which
 * only the last counts.
 * @param events those that were acted on
 */
export function leftOutOptions(events: readonly GetoptEvent[]): string[] {
  const given = new Map<string, Given[]>();
  for (const event of events) {
    if (event.kind === "error" || event.option.argument === "none") continue;
    const { name, repeatable, synonymOf } = event.option;
    if (repeatable) continue;
    const value = event.argument ?? "";
    const spelt = event.argument === null ? `--${name}` : `--${name}=${shortened(value)}`;
    const all = given.get(synonymOf) ?? [];
    given.set(synonymOf, [...all, { spelt, value }]);
  }
  return [...given].flatMap(([name, all]) => warningOf(name, all));
}

/** A sentence of what follows the kernel: it is no initrd, as for some other programs. */
export function leftOutOperands([kernel, ...more]: readonly string[]): string[] {
  if (kernel === undefined || more.length === 0) return [];
  const are = more.length === 1 ? "is" : "are";
  const words = more.map(shortened).join(", ");
  return [`${words} ${are} left out: the kernel is ${kernel}; an initrd needs --initrd=FILE.`];
}
