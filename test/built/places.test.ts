/** The built file runs where little else does: a bare root, no /sys, no /tmp, nothing writable. */

import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { KEXEC, makeRecorder, makeScratch, plantKernel, run, shell } from "./built-file.ts";
import { smallRoot } from "./small-root.ts";

const scratch = makeScratch();
afterAll(() => rmSync(scratch, { recursive: true }));

const kernel = plantKernel(scratch);
const recorder = makeRecorder(scratch);
const directory = join(scratch, "root");
mkdirSync(directory);
const root = smallRoot(directory, kernel);
const recorded = smallRoot(directory, kernel, recorder.words);

const VERSION = /^kexec-tools \S+ \(onekexec \S+\)\n$/;
const DRY_RUN = '/usr/sbin/chroot "$root" /kexec -c -l --dry-run /boot/kernel';
const LOAD = '/usr/sbin/chroot "$root" /kexec -c -l --append=quiet /boot/kernel';

describe("a root with the five libraries and /proc", () => {
  test("-v", () => {
    const { stdout, stderr, status } = root.run('with_proc; chroot "$root" /kexec -v');
    expect(stderr).toBe("");
    expect(stdout).toMatch(VERSION);
    expect(status).toBe(0);
  });

  test("--dry-run says what it does without, and takes /proc/iomem", () => {
    const { stdout, stderr, status } = root.run(`with_proc; ${DRY_RUN}`);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^kexec_load: 3 segments, /);
    expect(stdout).toContain("EFI is not passed on");
    expect(status).toBe(0);
  });

  test.each([
    ["a load", LOAD],
    ["a load from a read-only root", `mount -o remount,ro "$root" && ${LOAD}`],
    ["a load without environment", `env -i ${LOAD}`],
  ])("%s", (_, script) => {
    const { stdout, stderr, status } = recorded.run(`with_proc; ${script}`);
    expect([stdout, stderr, status]).toEqual(["", "", 0]);
    const [call] = recorder.calls();
    expect(call?.call === "kexec_load" && call.segments.length).toBe(3);
  });

  test("where other users' processes are hidden", () => {
    const { stdout, status } = root.run(`with_proc -o hidepid=2; ${DRY_RUN}`);
    expect(stdout).toMatch(/^kexec_load: 3 segments, /);
    expect(status).toBe(0);
  });

  test("where /proc has processes only: -v works, a load says what is missing", () => {
    const { stdout, stderr, status } = root.run(
      `with_proc -o subset=pid; chroot "$root" /kexec -v; ${DRY_RUN}`,
    );
    expect(stdout).toMatch(VERSION);
    expect(stderr.split("\n")).toEqual([
      "Could not get memory layout",
      "/proc/iomem: No such file or directory.",
      "/sys/firmware/memmap: No such file or directory.",
      "/sys/firmware/memmap cannot be used, so the memory map is from /proc/iomem.",
      "",
    ]);
    expect(status).toBe(255);
  });

  test("as the first process", () => {
    const script =
      'with_proc; exec unshare -p -f --mount-proc="$root/proc" chroot "$root" /kexec -v';
    const { stdout, status } = root.run(script);
    expect(stdout).toMatch(VERSION);
    expect(status).toBe(0);
  });
});

/**
 * The runtime ends here before any code of ours runs. What it prints is not ours to choose; these
 * tests tell when a new runtime does better, and README can promise more.
 */
describe("where the runtime itself cannot start", () => {
  test("without /proc it aborts", () => {
    const { stdout, stderr, status } = root.run('chroot "$root" /kexec -v');
    expect(stdout).toBe("");
    expect(stderr).toContain("panic(main thread): abort() called");
    expect(status).toBe(134);
  });

  test.each(["<&-", ">&-", "2>&-"])("with %s and no /dev/null it aborts", (closed) => {
    const { stdout, status } = root.run(`with_proc; chroot "$root" /kexec -v ${closed}`);
    expect(stdout).toBe("");
    expect(status).toBe(134);
  });
});

describe("the working directory", () => {
  test("may have been deleted", () => {
    const gone = join(scratch, "gone");
    const script = 'mkdir "$1"; cd "$1"; rmdir "$1"; shift; exec "$@"';
    const { stdout, stderr, status } = shell(script, [
      gone,
      KEXEC,
      "-s",
      "-l",
      "--dry-run",
      kernel,
    ]);
    expect(stderr).toBe("");
    expect(stdout).toStartWith("kexec_file_load: bzImage64");
    expect(status).toBe(0);
  });

  test("may be out of reach for the user", () => {
    const script = 'mkdir -m 700 "$1" && cd "$1" && shift && exec setpriv --reuid=65534 "$@"';
    const { stdout, status } = shell(script, [join(scratch, "closed"), KEXEC, "-v"]);
    expect(stdout).toMatch(VERSION);
    expect(status).toBe(0);
  });
});

test("without LANG and without any other variable", () => {
  const { stdout, stderr } = run(["env", "-i", KEXEC, "-v"]);
  expect(stderr).toBe("");
  expect(stdout).toMatch(VERSION);
});

test("as a user who may do nothing: a dry run works", () => {
  chmodSync(scratch, 0o755);
  const user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const { stdout, stderr, status } = run([...user, KEXEC, "-s", "-l", "--dry-run", kernel]);
  expect(stderr).toBe("");
  expect(stdout).toStartWith("kexec_file_load: bzImage64");
  expect(status).toBe(0);
});
