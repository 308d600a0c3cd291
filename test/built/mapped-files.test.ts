/**
 * Files that are mapped under a lease: another process changes the initrd at each step of a load,
 * and what is loaded is a complete version of it, or nothing. And what system calls that fail make
 * of it. Nothing is loaded.
 */

import { afterAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism, constants } from "node:os";
import { join } from "node:path";
import { compile, KEXEC, makeRecorder, makeScratch, plantKernel, run } from "./built-file.ts";
import { CHANGES, type Change, parseStepped, versionsOf, wordsOf } from "./stepped-load.ts";

const scratch = makeScratch();
const inMemory = mkdtempSync("/dev/shm/onekexec-");
afterAll(() => {
  rmSync(scratch, { recursive: true });
  rmSync(inMemory, { recursive: true });
});

const kernel = plantKernel(scratch);
const stepLoad = compile("step-load", scratch);
const recorder = makeRecorder(scratch);
const { errno: errnos } = constants;

const MIB = 2 ** 20;
const MINUTE = 60_000;
/** More than one read(2) has. */
const SIZE = 3 * MIB + 100;
const versions = versionsOf(SIZE);
const other = join(scratch, "new");
writeFileSync(other, versions.new);

/** More steps than a load has. */
const MOST = 100;

interface Outcome {
  readonly step: number;
  readonly status: number | null;
  readonly stderr: string;
  readonly loads: number;
  readonly waited: boolean;
  /** The version that was loaded; null: nothing was. */
  readonly loaded: string | null;
  readonly isOver: boolean;
}

/** The name of the version in the file at `path`. */
function versionIn(path: string): string | null {
  if (!existsSync(path)) return null;
  const bytes = readFileSync(path);
  const found = Object.entries(versions).find(([, one]) => Buffer.compare(bytes, one) === 0);
  return found?.[0] ?? "a mixture";
}

async function loadChanged(folder: string, change: Change, step: number): Promise<Outcome> {
  const place = mkdtempSync(join(folder, "step-"));
  const [initrd, output] = [join(place, "initrd"), join(place, "output")];
  writeFileSync(initrd, versions.old);
  const own = ["-f", "-o", output, "-i", initrd, "-n", `${step}`];
  const load = [KEXEC, "-c", "-l", `--initrd=${initrd}`, kernel];
  const ran = Bun.spawn([stepLoad, ...own, ...wordsOf(change, stepLoad, other), ...load], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [text, stderr, status] = await Promise.all([
    new Response(ran.stdout).text(),
    new Response(ran.stderr).text(),
    ran.exited,
  ]);
  const { steps, loads, waited } = parseStepped(text);
  const loaded = versionIn(output);
  rmSync(place, { recursive: true });
  return { step, status, stderr, loads, waited, loaded, isOver: step > steps };
}

/** The outcomes of all steps. */
async function allSteps(folder: string, change: Change): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  let next = 0;
  let isOver = false;
  const lane = async (): Promise<void> => {
    while (!isOver && next < MOST) {
      const step = next;
      next += 1;
      const outcome = await loadChanged(folder, change, step);
      outcomes.push(outcome);
      if (outcome.isOver) isOver = true;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() + 1 }, lane));
  return outcomes;
}

/** What a load says that loads nothing. */
const FAILURES = /^(Read on \S+: the file (changed|grew) while it was read|Cannot read \S+)\n/;

/** Whether that may come of it. A writer that was not held off but slow was still writing. */
function isRight({ isHeldOff, versions }: Change, outcome: Outcome): boolean {
  const { status, stderr, loaded, waited } = outcome;
  if (status === 0) return versions.some((one) => one === loaded);
  return status === 1 && loaded === null && FAILURES.test(stderr) && (!isHeldOff || waited);
}

const ofMapping = CHANGES.filter(({ name }) => name.includes("mapping"));

describe.each([
  ["on the disk", scratch, CHANGES],
  ["in memory", inMemory, ofMapping],
] as const)("an initrd %s", (_, folder, changes) => {
  test.each(changes.map((change) => [change.name, change] as const))(
    "is %s at any step",
    async (_, change) => {
      const outcomes = await allSteps(folder, change);
      expect(outcomes.filter((outcome) => !isRight(change, outcome))).toEqual([]);
      expect(outcomes.length).toBeGreaterThan(15);
      const seen = new Set(outcomes.map(({ loaded }) => loaded));
      for (const version of change.versions) expect(seen).toContain(version);
      // One changed during the load, which was repeated.
      expect(outcomes.some(({ loads }) => loads === 2)).toBe(change.isHeldOff);
    },
    5 * MINUTE,
  );
});

describe("a system call that fails: the initrd is copied, whole", () => {
  const failCall = compile("fail-call", scratch);
  const initrd = join(scratch, "initrd");
  writeFileSync(initrd, versions.old);

  /** What is loaded with `before` in front of all, and `under` in front of the program alone. */
  function load(before: readonly string[], under: readonly string[]) {
    const words = [...recorder.words, ...under, KEXEC, "-c", "-l", `--initrd=${initrd}`, kernel];
    const { status, stderr, signal } = run([...before, ...words]);
    const [call] = recorder.calls();
    const segments = call?.call === "kexec_load" ? call.segments : [];
    const start = Buffer.from(versions.old.subarray(0, MIB)).toString("latin1");
    const initrds = segments.filter(({ bytes, bufsz }) => bytes === start && bufsz === SIZE);
    return { status, stderr, signal, initrds: initrds.length };
  }
  const sound = { status: 0, stderr: "", signal: null, initrds: 1 };

  test("none does", () => {
    expect(load([], [])).toEqual(sound);
  });

  /** Numbers of x86_64. */
  const NUMBERS = { fcntl: 72, statfs: 137, madvise: 28 };

  test.each([
    ["fcntl", "EPERM"],
    ["fcntl", "EAGAIN"],
    ["fcntl", "ENOLCK"],
    ["statfs", "EACCES"],
    ["madvise", "EINVAL"],
    ["madvise", "EIO"],
  ] as const)("%s, with %s", (call, error) => {
    expect(load([], [failCall, `${NUMBERS[call]}`, `${errnos[error]}`])).toEqual(sound);
  });

  test.each(["ENODEV", "ENOMEM", "EPERM"])("mmap of the file, with %s", (error) => {
    const strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", initrd];
    expect(load([...strace, "-e", `inject=mmap:error=${error}`], [])).toEqual(sound);
  });
});

test("an initrd of 256 MiB takes no memory of the program's own", () => {
  const initrd = join(scratch, "large");
  writeFileSync(initrd, versions.old);
  truncateSync(initrd, 256 * MIB);
  const output = join(scratch, "output");
  const own = ["-f", "-o", output, "-i", initrd, "-n", "1000", "-c", ":"];
  const load = [KEXEC, "-c", "-l", `--initrd=${initrd}`, kernel];
  const { status, stdout, stderr } = run([stepLoad, ...own, ...load], { seconds: 60 });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(parseStepped(stdout).anonymous).toBeLessThan(24 * 1024);
  expect(parseStepped(stdout).anonymous).toBeGreaterThan(1024);
  rmSync(initrd);
  rmSync(output);
});
