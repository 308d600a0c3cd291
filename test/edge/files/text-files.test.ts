import { afterAll, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { readTextFile, writeTextFile } from "../../../src/edge/files/text-files.ts";
import { refusal } from "../../kexec-error.ts";
import { removeScratch, scratch } from "../run-script.ts";

afterAll(removeScratch);

test("texts are written and read as bytes, at paths that are bytes", () => {
  const path = join(scratch(), "f\xe4cts");
  writeTextFile(path, "b\xe4r\n");
  expect(readFileSync(Buffer.from(path, "latin1"))).toEqual(Buffer.from("b\xe4r\n", "latin1"));
  expect(readTextFile(path)).toBe("b\xe4r\n");
});

test("a new file has mode 0600: facts contain kernel addresses", () => {
  const path = join(scratch(), "facts");
  writeTextFile(path, "");
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("an error names the path and the system's reason", () => {
  const path = join(scratch(), "no/facts");
  const reading = refusal(() => readTextFile(path));
  expect(reading.message).toBe(`Cannot open \`${path}': No such file or directory`);
  const writing = refusal(() => writeTextFile(path, ""));
  expect(writing.message).toBe(`Cannot write \`${path}': No such file or directory`);
  expect([reading.exitStatus, writing.exitStatus]).toEqual([1, 1]);
});
