/**
 * A kernel's command line: its parameters, and the length that the kernel accepts. Command lines
 * are byte strings (see bytes.ts), so that only ASCII blanks separate parameters: the byte 0xa0 is
 * not a blank but may be part of a UTF-8 character.
 */

import { ExitStatus, fail, failImage } from "./error.ts";

/** A parameter's place in a command line: `start` is its first byte, `end` one past its last. */
export interface Parameter {
  readonly start: number;
  readonly end: number;
}

const isBlank = (char: string | undefined): boolean =>
  char === undefined || (char <= " " && /[ \t\n\v\f\r]/.test(char));

/**
 * The parameters of a command line, in order. A double quote keeps blanks inside a parameter.
 * `a="b c" d` has two. [linux lib/cmdline.c next_arg]
 */
export function parameters(commandLine: string): Parameter[] {
  const found: Parameter[] = [];
  let start = -1;
  let quoted = false;
  for (let i = 0; i <= commandLine.length; i += 1) {
    const char = commandLine[i];
    if (char === '"') quoted = !quoted;
    const ends = char === undefined || (!quoted && isBlank(char));
    if (!ends && start < 0) start = i;
    if (ends && start >= 0) {
      found.push({ start, end: i });
      start = -1;
    }
  }
  return found;
}

/** The longest command line that a kernel accepts. */
export interface CommandLineLimit {
  /** In bytes, without the NUL. */
  readonly max: number;
  /** The subject of the error, e.g. `this kernel`. */
  readonly who: string;
  /** Where the limit is from, e.g. ` (cmdline_size at 0x238)`; may be empty. */
  readonly source: string;
}

/** A command line that its kernel accepts. It is immutable: `append` returns a new one. */
export class CommandLine {
  readonly text: string;
  readonly #limit: CommandLineLimit | null;

  private constructor(text: string, limit: CommandLineLimit | null) {
    this.text = text;
    this.#limit = limit;
  }

  /**
   * The command line `text`, a byte string.
   * @param limit null: any length
   * @throws ImageError `image.command-line` for a text that is longer than the limit
   */
  static of(text: string, limit: CommandLineLimit | null): CommandLine {
    const excess = excessOf(text.length, limit);
    if (excess !== null) failImage({ code: "image.command-line", message: excess });
    return new CommandLine(text, limit);
  }

  /**
   * This command line followed by `parameters`, which begin with a blank or are empty.
   * @param room bytes that must stay free behind them, e.g. for what the purgatory appends
   * @throws KexecError `plan.command-line`, in kexec-tools' words, where they do not fit
   */
  append(parameters: string, room = 0): CommandLine {
    const added = parameters.length + room;
    const excess = excessOf(this.text.length + added, this.#limit);
    if (excess !== null) {
      fail({
        code: "plan.command-line",
        message: "Command line overflow",
        hint: `With the ${added} bytes that must be appended, ${excess}.`,
        exitStatus: ExitStatus.general,
      });
    }
    return new CommandLine(this.text + parameters, this.#limit);
  }
}

function excessOf(length: number, limit: CommandLineLimit | null): string | null {
  if (limit === null || length <= limit.max) return null;
  const { max, who, source } = limit;
  return `the command line has ${length} bytes, ${who} takes at most ${max}${source}`;
}
