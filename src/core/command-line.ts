/**
 * A kernel's command line: its parameters, and the room that the kernel has for it. Command lines
 * are byte strings (see bytes.ts), so blanks are ASCII's; the byte 0xa0 is half of a character of
 * UTF-8, and no blank.
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

/** What a kernel takes of a command line. */
export interface CommandLineLimit {
  /** In bytes, without the NUL. */
  readonly max: number;
  /** Who takes no more: `this kernel`. */
  readonly who: string;
  /** Where that is said: ` (cmdline_size at 0x238)`; may be empty. */
  readonly source: string;
}

/** A command line that its kernel has room for. A value: appending makes another one. */
export class CommandLine {
  readonly text: string;
  readonly #limit: CommandLineLimit | null;

  private constructor(text: string, limit: CommandLineLimit | null) {
    this.text = text;
    this.#limit = limit;
  }

  /**
   * @param limit null: the image does not say what it takes
   * @throws ImageError `image.command-line` for a text that is longer
   */
  static of(text: string, limit: CommandLineLimit | null): CommandLine {
    const excess = excessOf(text.length, limit);
    if (excess !== null) failImage({ code: "image.command-line", message: excess });
    return new CommandLine(text, limit);
  }

  /**
   * This command line with `parameters` behind it, which begin with a blank or are empty.
   * @param room bytes that must be left behind them, for whoever appends more later
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
