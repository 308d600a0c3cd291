import { afterAll, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { readTextFile, writeTextFile } from "../../../src/edge/files/text-files.ts";
import { refusal } from "../../kexec-error.ts";
import { removeScratch, scratch } from "../run-script.ts";

afterAll(removeScratch);

test("texts go out and come back as bytes, under names that are bytes", () => {
  const path = join(scratch(), "f\xe4cts");
  writeTextFile(path, "b\xe4r\n");
  expect(readFileSync(Buffer.from(path, "latin1"))).toEqual(Buffer.from("b\xe4r\n", "latin1"));
  expect(readTextFile(path)).toBe("b\xe4r\n");
});

test("a new file is its owner's alone: facts tell addresses of the kernel", () => {
  const path = join(scratch(), "facts");
  writeTextFile(path, "");
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("what fails is named, with the system's words", () => {
  const path = join(scratch(), "no/facts");
  const reading = refusal(() => readTextFile(path));
  expect(reading.message).toBe(`Cannot open \`${path}': No such file or directory`);
  const writing = refusal(() => writeTextFile(path, ""));
  expect(writing.message).toBe(`Cannot write \`${path}': No such file or directory`);
  expect([reading.exitStatus, writing.exitStatus]).toEqual([1, 1]);
});
