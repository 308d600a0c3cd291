import { afterAll, expect, test } from "bun:test";
import {
  chmodSync,
  linkSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { readTextFile, writeTextFile } from "../../../src/edge/files/text-files.ts";
import { refusal } from "../../kexec-error.ts";
import { removeScratch, runScript, scratch } from "../run-script.ts";

afterAll(removeScratch);

test("texts are written and read as bytes, at paths that are bytes", () => {
  const path = join(scratch(), "f\xe4cts");
  writeTextFile(path, "b\xe4r\n");
  expect(readFileSync(Buffer.from(path, "latin1"))).toEqual(Buffer.from("b\xe4r\n", "latin1"));
  expect(readTextFile(path)).toBe("b\xe4r\n");
});

test("a new file is its owner's alone, whatever was there: facts tell addresses", () => {
  const path = join(scratch(), "facts");
  writeTextFile(path, "first");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  chmodSync(path, 0o644);
  writeTextFile(path, "second");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readTextFile(path)).toBe("second");
});

test("a link is replaced, and what it leads to stays", () => {
  const directory = scratch();
  const other = join(directory, "other");
  const path = join(directory, "facts");
  writeFileSync(other, "theirs");
  symlinkSync(other, path);
  writeTextFile(path, "ours");
  expect(readFileSync(other, "latin1")).toBe("theirs");
  expect(lstatSync(path).isFile()).toBe(true);
  expect(readdirSync(directory).sort()).toEqual(["facts", "other"]);
});

test("a file that is there keeps its other names' contents", () => {
  const directory = scratch();
  const path = join(directory, "facts");
  writeFileSync(path, "old");
  linkSync(path, join(directory, "hard"));
  writeTextFile(path, "new");
  expect(readFileSync(join(directory, "hard"), "latin1")).toBe("old");
});

test("in the working directory too", () => {
  const cwd = scratch();
  const ran = runScript(
    `import { writeTextFile } from "@src/edge/files/text-files.ts"; writeTextFile("f", "x");`,
    { cwd },
  );
  expect(ran).toEqual({ status: 0, stdout: "", stderr: "" });
  expect(readdirSync(cwd)).toEqual(["f"]);
});

test.each([
  ["a limit on the size of files", 'ulimit -f 1; exec "$0" "$@"', "File too large"],
  ["a directory", 'mkdir facts; exec "$0" "$@"', "Is a directory"],
])("%s: nothing half written is left", (_, script, reason) => {
  const cwd = scratch();
  const text = `import { writeTextFile } from "@src/edge/files/text-files.ts";
    try { writeTextFile("facts", "x".repeat(100000)); } catch (error) {
      console.log(error.code + " " + error.message); }`;
  const ran = runScript(text, { cwd, under: ["bash", "-c", script] });
  expect(ran.stdout).toBe(`file.write Cannot write \`facts': ${reason}\n`);
  const left = readdirSync(cwd);
  expect(left).toEqual(reason === "Is a directory" ? ["facts"] : []);
});

test.each(["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])("%s is written to", (path) => {
  const ran = runScript(
    `import { writeTextFile } from "@src/edge/files/text-files.ts"; writeTextFile("${path}", "x");`,
    { under: ["bash", "-c", '"$0" "$@" | cat'] },
  );
  expect(ran).toEqual({ status: 0, stdout: "x", stderr: "" });
});

test("so is a device, which stays one", () => {
  writeTextFile("/dev/null", "x");
  expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
});

test("an error names the path and the system's reason", () => {
  const path = join(scratch(), "no/facts");
  const reading = refusal(() => readTextFile(path));
  expect(reading.message).toBe(`Cannot open \`${path}': No such file or directory`);
  const writing = refusal(() => writeTextFile(path, ""));
  expect(writing.message).toBe(`Cannot write \`${path}': No such file or directory`);
  expect([reading.exitStatus, writing.exitStatus]).toEqual([1, 1]);
});
