/**
 * Initrds beyond 2 GiB, where one read(2) does not suffice and 32-bit numbers end, load; beyond
 * 4 GiB they are refused. The files are sparse: they take no space, and their pages take memory
 * only while they are loaded.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { closeSync, openSync, rmSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { KEXEC, makeRecorder, makeScratch, plantKernel, run } from "./built-file.ts";

const scratch = makeScratch();
afterAll(() => rmSync(scratch, { recursive: true }));

const kernel = plantKernel(scratch);
const recorder = makeRecorder(scratch);

const GIB = 2 ** 30;
const SECONDS = 400;
const TIMEOUT = SECONDS * 1000;

/** A sparse file with a text at its start. */
function sparseFile(name: string, size: number): string {
  const path = join(scratch, name);
  const fd = openSync(path, "w");
  writeSync(fd, "initrd");
  closeSync(fd);
  truncateSync(path, size);
  return path;
}

/** The recorded segment that begins with the text. */
function initrdSegment() {
  const [call] = recorder.calls();
  const segments = call?.call === "kexec_load" ? call.segments : [];
  return segments.find(({ bytes }) => bytes.startsWith("initrd"));
}

describe("an initrd of 2.5 GiB", () => {
  const size = 2.5 * GIB;
  const initrd = sparseFile("initrd", size);

  test.each([
    ["a file", '"$@" --initrd="$0"'],
    ["a pipe", 'cat "$0" | "$@" --no-checks --initrd=/dev/stdin'],
  ])(
    "kexec_load gets all of it: %s",
    (_, script) => {
      // `$0` is the initrd.
      const command = ["/bin/sh", "-c", script, initrd];
      const load = [...recorder.words, KEXEC, "-c", "-l", kernel];
      const outcome = run([...command, ...load], { seconds: SECONDS });
      expect(outcome).toMatchObject({ status: 0, stdout: "", stderr: "" });
      const segment = initrdSegment();
      expect(segment?.bufsz).toBe(size);
      expect(segment?.memsz).toBe(BigInt(size));
    },
    TIMEOUT,
  );

  test("kexec_file_load gets the file, unread", () => {
    const started = performance.now();
    const command = [...recorder.words, KEXEC, "-s", "-l", `--initrd=${initrd}`, kernel];
    expect(run(command)).toMatchObject({ status: 0, stderr: "" });
    expect(recorder.calls()).toMatchObject([{ call: "kexec_file_load", initrd }]);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe("beyond 4 GiB", () => {
  test.each([
    ["an initrd", 4 * GIB + 1, (path: string) => [`--initrd=${path}`, kernel]],
    ["a kernel", 5 * GIB, (path: string) => [path]],
    ["a kernel beyond any number", 2 ** 43, (path: string) => [path]],
  ])("%s is refused at once", (_, size, words) => {
    const path = sparseFile("large", size);
    const outcome = run([...recorder.words, KEXEC, "-c", "-l", ...words(path)]);
    expect(outcome.stderr).toStartWith(`Cannot read ${path}: it has `);
    expect(outcome.stderr).toEndWith("at most 4294967296 bytes can be loaded\n");
    expect(outcome.status).toBe(1);
    expect(recorder.calls()).toEqual([]);
  });
});
