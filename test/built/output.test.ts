/** Nobody reads the output, or nobody can take it: quiet, and with kexec-tools' statuses. */

import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { FACTS, KEXEC, makeRecorder, makeScratch, plantKernel, shell } from "./built-file.ts";

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

describe("a full disk or a closed descriptor", () => {
  test.each([
    ['"$@" >/dev/full', ["-v"], 0],
    ['"$@" >/dev/full', ["-h"], 0],
    ['"$@" >&-', ["-v"], 0],
    ['"$@" >&-', ["-h"], 0],
    ['"$@" >&- 2>&- <&-', ["-v"], 0],
    ['"$@" >/dev/full 2>/dev/full', NONSENSE, 1],
    ['"$@" >&- 2>&-', NONSENSE, 1],
    ['"$@" 2>/dev/full', MISSING, 1],
    ['"$@" 2>&-', MISSING, 1],
  ])("%s %j", (script, words, status) => {
    const nothing = `${status} "" ""`;
    expect(outcomeOf(script, [KEXEC, ...words])).toBe(nothing);
    // The reference says the same, where it is installed and can run.
    if (existsSync(KEXEC_TOOLS) && shell('"$@"', [KEXEC_TOOLS, "-v"]).status === 0) {
      expect(outcomeOf(script, [KEXEC_TOOLS, ...words])).toBe(nothing);
    }
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
