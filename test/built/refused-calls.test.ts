/** System calls that fail: the user reads what failed and why, never an internal error, and nothing
 * is loaded that was not asked for. */

import { afterAll, describe, expect, test } from "bun:test";
import { readdirSync, rmSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import {
  compile,
  FACTS,
  KEXEC,
  makeRecorder,
  makeScratch,
  plantKernel,
  run,
} from "./built-file.ts";

const scratch = makeScratch();
afterAll(() => rmSync(scratch, { recursive: true }));

const kernel = plantKernel(scratch);
const recorder = makeRecorder(scratch);
const failCall = compile("fail-call", scratch);
const { errno: errnos } = constants;
const saved = join(scratch, "saved");

const LOAD = ["-l", `--initrd=${kernel}`, "--append=quiet", kernel];
const LINES: readonly (readonly string[])[] = [
  ["-c", ...LOAD],
  ["-s", ...LOAD],
  ["-a", ...LOAD],
  ["-a", "--dry-run=json", `--facts=${FACTS}`, ...LOAD],
  ["-u"],
  ["-S"],
  ["--doctor"],
  [`--save-facts=${saved}`],
  ["--print-ckr-size"],
];

/** strace says what a path leads to. */
const withoutStrace = (stderr: string): string => stderr.replace(/^strace: .*\n/gm, "");

/** Whatever a user should never read. */
const NOBODYS_WORDS = /internal error|Bun v|TypeError|RangeError|\.ts:\d|undefined|\[object/;

/** What is loaded is all that was asked for. */
function expectWhole(words: readonly string[]): void {
  for (const call of recorder.calls()) {
    if (!words.includes("-l")) continue;
    if (call.call === "kexec_file_load") {
      expect([call.kernel, call.initrd]).toEqual([kernel, kernel]);
      expect(call.commandLine).toBe("quiet");
    } else {
      expect(call.segments.filter(({ bytes }) => bytes.includes("quiet\0")).length).toBe(1);
      expect(call.segments.length).toBeGreaterThanOrEqual(3);
    }
  }
}

describe("a system call that always fails", () => {
  /** Numbers of x86_64. */
  const CALLS = {
    fstat: 5,
    lseek: 8,
    ioctl: 16,
    uname: 63,
    fsync: 74,
    rename: 82,
    getdents64: 217,
    memfd_create: 319,
    getrandom: 318,
    statx: 332,
  } as const;
  const ERRORS = ["EIO", "EACCES", "ENOSYS"] as const;

  test.each(Object.entries(CALLS))(
    "%s",
    (_, number) => {
      for (const error of ERRORS) {
        for (const words of LINES) {
          const under = [failCall, `${number}`, `${errnos[error]}`];
          const { status, stderr, signal } = run([...recorder.words, ...under, KEXEC, ...words]);
          expect({ words, error, signal }).toEqual({ words, error, signal: null });
          expect(stderr).not.toMatch(NOBODYS_WORDS);
          expect([0, 1, 253, 255]).toContain(status ?? -1);
          expectWhole(words);
          rmSync(saved, { force: true });
          // Nothing half written is left.
          expect(readdirSync(scratch).filter((name) => name.startsWith("."))).toEqual([]);
        }
      }
    },
    120_000,
  );
});

describe("a file that cannot be opened or read", () => {
  /** strace, which lets calls on `path` fail and answers those that load. */
  const failing = (path: string, call: string, error: string) => [
    ...["strace", "-f", "-qq", "-o", "/dev/null", "-P", path],
    ...["-e", `inject=${call}:error=${error}`],
  ];

  test.each([
    ["/proc/self/cmdline", "openat", "EACCES"],
    ["/proc/self/environ", "openat", "EACCES"],
    ["/proc/cmdline", "openat", "EMFILE"],
    ["/proc/iomem", "openat", "ENFILE"],
    ["/proc/iomem", "read", "ENOMEM"],
    ["/proc/self/status", "openat", "EACCES"],
    ["/sys/kernel/kexec_loaded", "read", "EIO"],
    ["/proc/interrupts", "openat", "EACCES"],
  ])(
    "%s: %s ends with %s, and a plan is made all the same",
    (path, call, error) => {
      const words = ["-c", "-l", "--dry-run=json", `--facts=${FACTS}`, "--append=x", kernel];
      const under = failing(path, call, error);
      const { status, stderr, stdout } = run([...under, KEXEC, ...words]);
      expect({ status, stderr: withoutStrace(stderr) }).toEqual({ status: 0, stderr: "" });
      expect(JSON.parse(stdout).attempts[0].commandLine).toBe("x");
      for (const other of [["--doctor"], ["-S"], [`--save-facts=${saved}`]]) {
        const ran = run([...under, KEXEC, ...other]);
        expect(ran.stderr).not.toMatch(NOBODYS_WORDS);
        expect(ran.stdout).not.toMatch(NOBODYS_WORDS);
      }
    },
    60_000,
  );

  test.each([
    ["openat", "EACCES", "Cannot open `K': Permission denied\n"],
    ["openat", "EMFILE", "Cannot open `K': Too many open files\n"],
    ["openat", "ENFILE", "Cannot open `K': Too many open files in system\n"],
    ["openat", "ELOOP", "Cannot open `K': Too many levels of symbolic links\n"],
    ["openat", "ENAMETOOLONG", "Cannot open `K': File name too long\n"],
    ["openat", "EIO", "Cannot open `K': Input/output error\n"],
    ["statx,newfstatat,fstat", "EPERM", "Cannot stat: K: Operation not permitted\n"],
    ["statx,newfstatat,fstat", "ENOMEM", "Cannot stat: K: Cannot allocate memory\n"],
    ["read,pread64", "EIO", "Read on K failed: Input/output error\nCannot read K\n"],
  ])(
    "a kernel: %s ends with %s",
    (call, error, message) => {
      for (const method of ["-c", "-s", "-a"]) {
        const under = failing(kernel, call, error);
        const words = [method, "-l", "--dry-run", `--facts=${FACTS}`, kernel];
        const { status, stderr } = run([...under, KEXEC, ...words]);
        expect({ status, stderr: stderr.replaceAll(kernel, "K") }).toEqual({
          status: 1,
          stderr: message,
        });
      }
    },
    60_000,
  );
});
