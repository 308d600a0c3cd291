/** Nobody reads the output, or nobody can take it: what is lost shows in the exit status. */

import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { difference } from "../conformance/differences.ts";
import {
  FACTS,
  KEXEC,
  makeRecorder,
  makeScratch,
  plantKernel,
  runBytes,
  shell,
} from "./built-file.ts";

const scratch = makeScratch();
afterAll(() => rmSync(scratch, { recursive: true }));

const kernel = plantKernel(scratch);
const recorder = makeRecorder(scratch);
const KEXEC_TOOLS = "/usr/sbin/kexec";

/** What of a status and of both outputs is left, with `$@` as the program and its words. */
function outcomeOf(script: string, words: readonly string[]): string {
  const { status, stdout, stderr } = shell(script, words);
  return `${status} ${JSON.stringify(stdout)} ${JSON.stringify(stderr)}`;
}

const NONSENSE = ["--no-such-option"];
const MISSING = ["-c", "-l", "/nonexistent"];

describe("a full disk or a closed descriptor on stdout", () => {
  const facts = `--facts=${FACTS}`;
  const LINES = [
    ["-v"],
    ["-l", "-v"],
    ["-h"],
    ["--print-ckr-size"],
    ["-c", "-l", "--dry-run=json", facts, kernel],
    ["-c", "-l", "--dry-run", facts, kernel],
    ["-d", "-c", "-l", "--dry-run", facts, kernel],
    ["--doctor"],
    ["--doctor=json"],
    ["--save-facts=/dev/stdout"],
  ];
  test.each(LINES.map((words) => [words]))("%j", (words) => {
    for (const [script, reason] of [
      ['"$@" >/dev/full', "ENOSPC: no space left on device"],
      ['"$@" >&-', "EBADF: bad file descriptor"],
    ] as const) {
      const { status, stdout, stderr } = shell(script, [KEXEC, ...words]);
      expect(stdout).toBe("");
      expect(status).toBe(1);
      if (words.includes("--save-facts=/dev/stdout")) continue;
      expect(stderr).toBe(`kexec: cannot write to standard output: ${reason}\n`);
    }
  });

  // The reference ends with 0, where it is installed and can run.
  test.if(existsSync(KEXEC_TOOLS) && shell('"$@"', [KEXEC_TOOLS, "-v"]).status === 0)(
    `${difference("lost-output").id}: kexec-tools`,
    () => {
      for (const words of [["-v"], ["-h"], ["--print-ckr-size"]]) {
        expect(outcomeOf('"$@" >/dev/full', [KEXEC_TOOLS, ...words])).toBe('0 "" ""');
        expect(outcomeOf('"$@" >&-', [KEXEC_TOOLS, ...words])).toBe('0 "" ""');
      }
    },
  );
});

describe("a full disk or a closed descriptor", () => {
  test.each([
    ['"$@" >&- 2>&- <&-', ["-v"], 1],
    ['"$@" >/dev/full 2>/dev/full', NONSENSE, 1],
    ['"$@" >&- 2>&-', NONSENSE, 1],
    ['"$@" 2>/dev/full', MISSING, 1],
    ['"$@" 2>&-', MISSING, 1],
  ])("%s %j", (script, words, status) => {
    expect(outcomeOf(script, [KEXEC, ...words])).toBe(`${status} "" ""`);
  });

  test.each(['"$@" 2>&-', '"$@" 2>/dev/full', '"$@" >&- 2>&- <&-'])(
    "a load with -d is done all the same: %s",
    (script) => {
      const words = ["/bin/sh", "-c", script, "sh", KEXEC, "-d", "-c", "-l", kernel];
      expect(outcomeOf('"$@"', [...recorder.words, ...words])).toBe('0 "" ""');
      expect(recorder.calls().map(({ call }) => call)).toEqual(["kexec_load"]);
    },
  );
});

/** kexec-tools dies of SIGPIPE here, which a script with `pipefail` takes for a failed load. */
describe("a reader that has gone", () => {
  const toNobody = '{ sleep 0.1; "$@"; echo "status $?" >&2; } | true';

  test.each([[["-v"]], [["-h"]], [["-c", "-l", "--dry-run", `--facts=${FACTS}`, kernel]]])(
    "%j",
    (words) => {
      expect(shell(toNobody, [KEXEC, ...words])).toMatchObject({
        stdout: "",
        stderr: "status 0\n",
      });
    },
  );

  test("--dry-run=json | head -1", () => {
    const script = '{ "$@"; echo "status $?" >&2; } | head -1';
    const words = [KEXEC, "-c", "-l", "--dry-run=json", `--facts=${FACTS}`, kernel];
    expect(shell(script, words)).toMatchObject({ stdout: "{\n", stderr: "status 0\n" });
  });

  test("stderr of a failed load", () => {
    const script = '{ sleep 0.1; "$@" 2>&1; echo "status $?" >&2; } | true';
    const got = shell(script, [KEXEC, ...MISSING]);
    expect(got).toMatchObject({ stdout: "", stderr: "status 1\n" });
  });
});

describe("names of files on a terminal", () => {
  const name = "k\x1b[31m\x07\nl\xc3\xa4";

  test("what a terminal would obey is shown", () => {
    const typed = 'exec script -qec "$1 -c -l \\"\\$(cat name)\\"" /dev/null </dev/null';
    const directory = join(scratch, "terminal");
    mkdirSync(directory);
    writeFileSync(join(directory, "name"), Buffer.from(`/nonexistent/${name}`, "latin1"));
    const { stdout } = shell(typed, [KEXEC], { cwd: directory });
    expect(stdout.replaceAll("\r\n", "\n")).toBe(
      "Cannot open `/nonexistent/k\\x1b[31m\\x07\\x0al\xc3\xa4': No such file or directory\n",
    );
  });

  test("a pipe gets the bytes", () => {
    const { stderr } = runBytes([KEXEC, "-c", "-l", `/nonexistent/${name}`]);
    expect(stderr).toBe(`Cannot open \`/nonexistent/${name}': No such file or directory\n`);
  });
});
