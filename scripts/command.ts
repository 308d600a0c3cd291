/**
 * Commands that a script runs, and the one error type of the scripts: which step failed, why, and
 * what to try.
 */

export interface ProblemParts {
  /** What was being done, as a sentence without a full stop. */
  readonly step: string;
  readonly reason: string;
  /** What to try; empty where the reason says it all. */
  readonly advice?: string | undefined;
}

/** A failure of the machine or of a tool, for people. Everything else is a bug. */
export class Problem extends Error {
  constructor({ step, reason, advice }: ProblemParts) {
    const indented = reason.trimEnd().replaceAll("\n", "\n    ");
    const try_ = advice === undefined ? "" : `\n  try: ${advice}`;
    super(`${step}: failed\n  reason: ${indented}${try_}`);
    this.name = "Problem";
  }
}

/** The text of an error, for a person: a Problem's own words, a bug's with its stack. */
export function problemText(error: unknown): string {
  if (error instanceof Problem) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

export interface CommandOptions {
  readonly cwd?: string;
  /** Added to the environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: string;
  readonly advice?: string;
}

/**
 * Runs a command to its end and returns its standard output.
 * @throws Problem with the command and all of its output where it fails or is not there
 */
export function runCommand(
  step: string,
  command: readonly string[],
  { cwd, env, stdin, advice }: CommandOptions = {},
): string {
  const [program = ""] = command;
  const broken = (reason: string) =>
    new Problem({ step, reason: `${command.join(" ")}\n${reason}`, advice });
  if (Bun.which(program) === null) throw broken(`there is no ${program} on this machine`);
  const { exitCode, signalCode, stdout, stderr } = Bun.spawnSync([...command], {
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
    stdin: stdin === undefined ? "ignore" : Buffer.from(stdin),
  });
  if (exitCode === 0) return stdout.toString();
  const end = signalCode === undefined ? `exit status ${exitCode}` : `killed by ${signalCode}`;
  throw broken(`${end}\n${stdout}${stderr}`);
}
