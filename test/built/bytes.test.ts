/** Words that are not UTF-8 reach files and the kernel byte for byte. */

import { afterAll, describe, expect, test } from "bun:test";
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import {
  FACTS,
  KEXEC,
  makeRecorder,
  makeScratch,
  plantKernel,
  type RecordedCall,
  run,
  runBytes,
  shell,
} from "./built-file.ts";
import { pathsLookedUp } from "./paths-looked-up.ts";

const scratch = makeScratch();
afterAll(() => rmSync(scratch, { recursive: true }));

const recorder = makeRecorder(scratch);
plantKernel(scratch);

const range = (from: number, to: number): string =>
  String.fromCharCode(...Array.from({ length: to - from }, (_, i) => from + i));

/** Every byte that a word can have. */
const ALL_BYTES = range(0x01, 0x100);
const HIGH_BYTES = range(0x80, 0x100);
/** Valid UTF-8, parts of it, what UTF-8 never has, and the mark that decoders replace it with. */
const NAMES = [
  HIGH_BYTES,
  "k\u00c3\u00a9rnel",
  "\u00c3",
  "\u00ff\u00fe",
  "\u00ef\u00bf\u00bd",
  "a b\n",
];

/** The file that `name` names, in the scratch directory. */
function kernelNamed(name: string): string {
  const path = `${scratch}/${name}`;
  runBytes(["cp", join(scratch, "kernel"), path]);
  return path;
}

function recorded(...words: string[]): RecordedCall[] {
  const outcome = runBytes([...recorder.words, KEXEC, ...words]);
  expect(outcome).toMatchObject({ status: 0, stdout: "", stderr: "" });
  return recorder.calls();
}

describe("the kernel's path", () => {
  test.each(NAMES)("kexec_file_load gets the file %j", (name) => {
    const path = kernelNamed(name);
    const initrd = kernelNamed(`initrd-${name}`);
    expect(recorded("-s", "-l", `--initrd=${initrd}`, path)).toMatchObject([
      { call: "kexec_file_load", kernel: path, initrd },
    ]);
  });

  test.each(NAMES)("kexec_load opens %j", (name) => {
    const path = kernelNamed(name);
    const trace = join(scratch, "trace");
    const strace = ["strace", "-f", "-xx", "-o", trace, "-e", "trace=openat,open"];
    const words = ["-c", "-l", "--dry-run", `--facts=${FACTS}`, `--initrd=${path}`, path];
    expect(runBytes([...strace, KEXEC, ...words]).status).toBe(0);
    const escaped = Buffer.from(path, "latin1").toString("hex").replace(/../g, "\\x$&");
    expect(pathsLookedUp(trace).filter((opened) => opened === escaped)).toHaveLength(2);
  });

  test.each(["-c", "-s"])("a message has its bytes: %s", (method) => {
    const path = `/nonexistent/${HIGH_BYTES}`;
    expect(runBytes([KEXEC, method, "-l", path])).toEqual({
      status: 1,
      signal: null,
      stdout: "",
      stderr: `Cannot open \`${path}': No such file or directory\n`,
    });
  });
});

describe("the command line", () => {
  const kernel = join(scratch, "kernel");

  test.each(["--append", "--command-line"])("kexec_file_load gets it: %s", (option) => {
    const [call] = recorded("-s", "-l", `${option}=${ALL_BYTES}`, kernel);
    expect(call).toMatchObject({ commandLine: ALL_BYTES });
  });

  test("the boot-params segment has it, with its NUL", () => {
    const [call] = recorded("-c", "-l", "--append", ALL_BYTES, kernel);
    if (call?.call !== "kexec_load") throw new Error("no kexec_load");
    const holding = call.segments.filter(({ bytes }) => bytes.includes(`${ALL_BYTES}\0`));
    expect(holding).toHaveLength(1);
  });

  test("--dry-run=json writes it in ASCII", () => {
    const words = ["-s", "-l", "--dry-run=json", `--append=${ALL_BYTES}`, kernel];
    const { stdout } = runBytes([KEXEC, ...words]);
    expect(stdout).toMatch(/^[\n\x20-\x7e]*$/);
    expect(JSON.parse(stdout)).toMatchObject({ attempts: [{ commandLine: ALL_BYTES }] });
  });

  test("--dry-run writes its bytes", () => {
    const { stdout } = runBytes([KEXEC, "-s", "-l", "--dry-run", `--append=${HIGH_BYTES}`, kernel]);
    expect(stdout).toContain(`command line: ${HIGH_BYTES}\n`);
  });
});

describe("the program's name", () => {
  test("in messages", () => {
    const name = join(scratch, "kexec-\u00e9");
    symlinkSync(KEXEC, Buffer.from(name, "latin1"));
    const { stderr, status } = runBytes([name, "--no-such-\u00ff"]);
    expect(stderr).toBe(`${name}: unrecognized option '--no-such-\u00ff'\n`);
    expect(status).toBe(1);
  });

  test("may be empty", () => {
    const words = ["bash", "-c", 'exec -a "" "$@"', "bash", KEXEC, "--no-such-option"];
    const { stderr, status } = run(words);
    expect(stderr).toBe(": unrecognized option '--no-such-option'\n");
    expect(status).toBe(1);
  });

  test("a symbolic link, another name, and PATH find the same program", () => {
    const script =
      'ln -s "$1" "$2/by-link" && cd "$2" && PATH="$2:$PATH" by-link -v && ./by-link -v';
    expect(shell(script, [KEXEC, scratch]).stdout).toBe(run([KEXEC, "-v"]).stdout.repeat(2));
  });
});

describe("empty words", () => {
  const kernel = join(scratch, "kernel");

  test.each([
    [["-c", "-l", ""], 1, "Cannot open `': No such file or directory\n"],
    [["-s", "-l", ""], 1, "Cannot open `': No such file or directory\n"],
    [["-c", "-l", "--initrd=", kernel], 1, "Cannot open `': No such file or directory\n"],
    [
      ["-s", "-l", "--initrd", "", kernel],
      255,
      `Could not open initrd file :No such file or directory\nCannot load ${kernel}\n`,
    ],
    [
      ["-c", "-l", "--dry-run", "--facts=", kernel],
      1,
      "Cannot open `': No such file or directory\n",
    ],
    [["-c", "-l", "-t", "", kernel], 255, "Unsupported kernel type \n"],
  ])("%j", (words, status, message) => {
    const outcome = run([...recorder.words, KEXEC, ...words]);
    expect(outcome.stderr).toStartWith(message);
    expect(outcome.stderr.split("\n").length).toBeLessThanOrEqual(message.split("\n").length + 1);
    expect(outcome.status).toBe(status);
    expect(recorder.calls()).toEqual([]);
  });

  test.each(["-c", "-s"])("an empty command line is none: %s", (method) => {
    const [call] = recorded(method, "-l", "--append=", kernel);
    expect(call?.call === "kexec_load" || call?.commandLine === "").toBe(true);
  });
});

describe("long words", () => {
  const kernel = join(scratch, "kernel");
  /** The longest that the system passes on, 128 KiB with `--append=` and the NUL. */
  const longest = "a".repeat(128 * 1024 - "--append=".length - 1);

  test.each(["-c", "-s"])("a command line of 128 KiB is refused with both sizes: %s", (method) => {
    const outcome = run([...recorder.words, KEXEC, method, "-l", `--append=${longest}`, kernel]);
    expect(outcome.stderr).toStartWith(`Cannot load ${kernel}\n`);
    expect(outcome.stderr).toContain(`the command line has ${longest.length} bytes`);
    expect(outcome.stderr).toContain("at most 2046 (cmdline_size");
    expect(outcome.stderr.length).toBeLessThan(400);
    expect(recorder.calls()).toEqual([]);
  });

  test("a path of 128 KiB is refused by the system", () => {
    const path = longest.slice(10);
    const outcome = run([KEXEC, "-c", "-l", path]);
    expect(outcome.stderr).toBe(`Cannot open \`${path}': File name too long\n`);
    expect(outcome.status).toBe(1);
  });

  test("a MiB of words; the last one counts", () => {
    const words = Array.from({ length: 16 }, () => `--append=${longest.slice(0, 65536)}`);
    const command = [KEXEC, "-s", "-l", ...words, "--append=last", kernel];
    const { status, stderr } = run([...recorder.words, ...command]);
    expect(status).toBe(0);
    expect(stderr).toContain("left out, since only the last one counts: --append=last.");
    expect(stderr.length).toBeLessThan(3000);
    expect(recorder.calls()).toMatchObject([{ commandLine: "last" }]);
  });
});
