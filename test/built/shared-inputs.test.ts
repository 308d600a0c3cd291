/** `-a`: what cannot be read twice serves both of its attempts, and trouble in preparing the first
 * one does not end it. */

import { afterAll, describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { compile, KEXEC, makeRecorder, makeScratch, plantKernel, shell } from "./built-file.ts";

const { errno: errnos } = constants;
const scratch = makeScratch();
afterAll(() => rmSync(scratch, { recursive: true }));

const kernel = plantKernel(scratch);
const recorder = makeRecorder(scratch);
const MARK = "this is the initrd ";
const initrd = join(scratch, "initrd");
writeFileSync(initrd, MARK.repeat(2000));
const packed = join(scratch, "kernel.gz");
writeFileSync(packed, Bun.gzipSync(await Bun.file(kernel).bytes()));

const failCall = compile("fail-call", scratch);

/** Numbers of x86_64. */
const CALLS = { memfd_create: 319, kexec_file_load: 320 };

/** Lets `call` fail. */
function failing(call: keyof typeof CALLS, error: keyof typeof errnos): string[] {
  return [failCall, `${CALLS[call]}`, `${errnos[error]}`];
}

/** Runs kexec with a file on a pipe, which `PIPE` among the words stands for. */
function runPiped(under: readonly string[], words: readonly string[]) {
  const argv = words.map((word) => word.replace("PIPE", "/dev/fd/9"));
  const script = 'file=$1; shift; cat "$file" | { exec 9<&0 </dev/null; exec "$@"; }';
  const file = words.includes("PIPE") ? kernel : initrd;
  return shell(script, [file, ...recorder.words, ...under, KEXEC, ...argv]);
}

const initrdLoaded = (): boolean =>
  recorder.calls().some((call) => call.call === "kexec_load" && call.segments.some(isInitrd));
const isInitrd = ({ bytes }: { readonly bytes: string }): boolean => bytes.startsWith(MARK);
const callsMade = (): string[] => recorder.calls().map(({ call }) => call);

const LOADS: readonly (readonly [string, readonly string[]])[] = [
  ["an initrd on a pipe", ["-l", "--initrd=PIPE", kernel]],
  ["a kernel on a pipe", ["-l", `--initrd=${initrd}`, "PIPE"]],
  ["a compressed kernel", ["-l", `--initrd=${initrd}`, packed]],
];

describe.each(LOADS)("%s", (_, words) => {
  test.each(["ENOSYS", "EINVAL", "ENOEXEC"] as const)(
    "the kernel answers kexec_file_load with %s",
    (error) => {
      const { status, stderr } = runPiped(failing("kexec_file_load", error), words);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(callsMade()).toEqual(["kexec_load"]);
      expect(initrdLoaded()).toBe(true);
    },
  );

  test.each([
    ["EPERM", "Operation not permitted"],
    ["EACCES", "Permission denied"],
    ["ENOSYS", "Function not implemented"],
    ["EMFILE", "Too many open files"],
  ] as const)("memfd_create ends with %s", (error, reason) => {
    const under = failing("memfd_create", error);
    const { status, stderr } = runPiped(under, words);
    expect(stderr).toMatch(
      new RegExp(
        `^kexec_file_load is not tried: cannot put \\S+ into a file in memory: ` +
          `memfd_create: ${reason}\n$`,
      ),
    );
    expect(status).toBe(0);
    expect(callsMade()).toEqual(["kexec_load"]);
    expect(initrdLoaded()).toBe(true);

    const alone = runPiped(under, ["-s", ...words]);
    expect(alone.stderr).toStartWith("cannot put ");
    expect(alone.stderr).toContain("Try -c");
    expect(alone.status).toBe(255);
    expect(callsMade()).toEqual([]);
  });

  test("a limit on the size of files", () => {
    const under = ["/bin/sh", "-c", 'ulimit -f 1; exec "$0" "$@"'];
    const { status, stderr } = runPiped(under, words);
    expect(stderr).toContain("into a file in memory: write: File too large\n");
    expect(status).toBe(0);
    expect(callsMade()).toEqual(["kexec_load"]);
    expect(initrdLoaded()).toBe(true);
  });
});

test("-s reads a pipe too, and hands a file in memory over", () => {
  const { status, stderr } = runPiped([], ["-s", "-l", "--initrd=PIPE", kernel]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(recorder.calls()).toMatchObject([
    { call: "kexec_file_load", kernel, initrd: "/memfd:initrd (deleted)" },
  ]);
});

test("--dry-run shows both attempts of what comes from a pipe", () => {
  const words = ["-l", "--dry-run=json", "--initrd=PIPE", kernel];
  const { status, stdout, stderr } = runPiped([], words);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const { attempts } = JSON.parse(stdout);
  expect(attempts.map(({ call }: { call: string }) => call)).toEqual([
    "kexec_file_load",
    "kexec_load",
  ]);
});
