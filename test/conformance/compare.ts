/**
 * One command line, given to both: what they did must be the same, or differ as a row of
 * differences.ts says, and not otherwise.
 */

import { expect, test } from "bun:test";
import { getopt } from "../../src/cli/getopt.ts";
import { type DifferenceId, difference } from "./differences.ts";
import { type RunOptions, runKexec } from "./harness.ts";
import { FOLDER, PIECES } from "./inputs.ts";
import { KEXEC_TOOLS, ONEKEXEC, RELEASE } from "./programs.ts";
import { OWN_LINES, type Seen, seen, withoutOwnLines } from "./seen.ts";

/** What kexec-tools' copy of a kernel is named, and the release that first made one. */
export const COPY = "/memfd:kernel";
export const COPIES_SINCE = 29;

/** Of a test: those that run at the same time wait for a processor too. */
export const TIMEOUT_MS = 300_000;

export interface Compared {
  readonly theirs: Seen;
  readonly ours: Seen;
}

/** Runs both. Paths of the inputs read `IN/name` in what they said. */
export async function runBoth(
  argv: readonly string[],
  options: RunOptions = {},
): Promise<Compared> {
  const run = async (binary: string): Promise<Seen> => {
    const did = seen(await runKexec(binary, argv, options), PIECES);
    return JSON.parse(JSON.stringify(did).replaceAll(FOLDER, "IN"));
  };
  // One after the other, since both may want the same pipe.
  const theirs = withoutCopy(await run(KEXEC_TOOLS), argv);
  return { theirs, ours: await run(ONEKEXEC) };
}

/** Since 2.0.29 kexec_file_load gets a copy of the kernel in memory, which a test of its own is of:
 * here it counts as the file. */
function withoutCopy(theirs: Seen, argv: readonly string[]): Seen {
  const { operands } = getopt({ argv0: "kexec", argv, posixlyCorrect: false });
  const kernel = (operands[0] ?? "").replaceAll(FOLDER, "IN");
  const call = `kexec_file_load ${COPY} `;
  const calls = theirs.calls.map((one) =>
    RELEASE >= COPIES_SINCE && one.startsWith(call)
      ? one.replace(call, `kexec_file_load ${kernel} `)
      : one,
  );
  return { ...theirs, calls };
}

function title(argv: readonly string[], options: RunOptions): string {
  const words = argv
    .join(" ")
    .replaceAll(`${FOLDER}/`, "")
    .replace(/(.)\1{30,}/g, "$1...$1")
    .replaceAll("\n", "\\n");
  const { machine, ...rest } = options;
  const { files: _, ...shown } = machine ?? {};
  const parts = Object.entries({ ...rest, ...shown }).map(([name, value]) =>
    `${name} ${JSON.stringify(value)}`.slice(0, 60),
  );
  return [`kexec ${words}`.trim(), ...parts].join(", ");
}

/** Tests run at the same time, but those that share a pipe. */
function addTest(title: string, { feed }: RunOptions, check: () => Promise<void>): void {
  if (feed === undefined) test.concurrent(title, check, TIMEOUT_MS);
  else test(title, check, TIMEOUT_MS);
}

/** Both do the same; ours may say up to three lines more on stderr. */
export function same(argv: readonly string[], options: RunOptions = {}): void {
  addTest(title(argv, options), options, async () => {
    const { theirs, ours } = await runBoth(argv, options);
    expect(withoutOwnLines(theirs, ours)).toEqual(theirs);
  });
}

/** What is not named in one of the two is alike. */
export interface Expected {
  readonly theirs: Partial<Seen>;
  /** stderr: its first lines; up to three more of ours may follow. */
  readonly ours: Partial<Seen>;
  /** False for a release of kexec-tools that does not do it: there, both do the same. */
  readonly release?: (release: number) => boolean;
}

const PARTS = ["status", "stdout", "stderr", "calls"] as const;

/** Fails unless `ours` is as `expected`. */
function checkOurs(ours: Seen, expected: Partial<Seen>): void {
  const named = expected.stderr;
  const stderr = named === undefined ? ours.stderr : ours.stderr.slice(0, named.length);
  expect({ ...ours, stderr }).toEqual({ ...ours, stderr, ...expected });
  if (named !== undefined) expect(ours.stderr.length - named.length).toBeLessThanOrEqual(OWN_LINES);
}

/** The two differ as the row `id` says, and in nothing else. */
export function differs(
  id: DifferenceId,
  argv: readonly string[],
  { theirs, ours, release = () => true }: Expected,
  options: RunOptions = {},
): void {
  if (!release(RELEASE)) {
    same(argv, options);
    return;
  }
  addTest(`${difference(id).id}: ${title(argv, options)}`, options, async () => {
    const both = await runBoth(argv, options);
    expect(both.theirs).toEqual({ ...both.theirs, ...theirs });
    checkOurs(both.ours, ours);
    const alike = withoutOwnLines(both.theirs, both.ours);
    for (const part of PARTS) {
      if (part in theirs || part in ours) continue;
      expect({ [part]: alike[part] }).toEqual({ [part]: both.theirs[part] });
    }
    // A row for what no longer differs is to be taken away.
    expect(alike).not.toEqual(both.theirs);
  });
}
