/** No executable memory, little memory, a signal in the middle, others doing the same. */

import { afterAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CLEAN_ENVIRONMENT,
  compile,
  FACTS,
  KEXEC,
  makeRecorder,
  makeScratch,
  plantKernel,
  recorderTo,
  run,
  runBytes,
  shell,
} from "./built-file.ts";

const scratch = makeScratch();
afterAll(() => rmSync(scratch, { recursive: true }));

const kernel = plantKernel(scratch);
const recorder = makeRecorder(scratch);

const NO_JIT = /^cannot make system calls: this process may not make memory executable\n/;

describe("where no memory can be made executable", () => {
  const denied = [compile("deny-executable-memory", scratch)];

  test.each(["-v", "-h"])("%s works", (option) => {
    const expected = run([KEXEC, option]);
    expect(expected.status).toBe(0);
    expect(run([...denied, KEXEC, option])).toEqual(expected);
  });

  test.each([
    [["-c", "-l", kernel]],
    [["-s", "-l", kernel]],
    [["-a", "-l", kernel]],
    [["-u"]],
    [["-c", "-l", "--dry-run", `--facts=${FACTS}`, kernel]],
  ])("%j says what is missing", (words) => {
    const { stdout, stderr, status } = run([...recorder.words, ...denied, KEXEC, ...words]);
    expect(stderr).toMatch(NO_JIT);
    expect(stderr).toContain("MemoryDenyWriteExecute=");
    expect(stderr.split("\n").length).toBe(5);
    expect(stdout).toBe("");
    expect(status).toBe(255);
    expect(recorder.calls()).toEqual([]);
  });
});

test("with the engine's JIT switched off it says so", () => {
  const env = { BUN_JSC_useJIT: "0" };
  const { stderr, status } = run([KEXEC, "-c", "-l", "--dry-run", kernel], { env });
  expect(stderr).toStartWith(
    "cannot make system calls: BUN_JSC_useJIT in the environment forbids it\n",
  );
  expect(stderr).not.toMatch(/executable|ulimit/);
  expect(status).toBe(255);
});

/** Runs kexec, recorded, in a shell with this limit: `-v 1000000`. */
const limited = (limit: string, ...words: string[]) =>
  shell(`ulimit ${limit}; exec "$@"`, [...recorder.words, KEXEC, ...words]);

describe.each(["-v 450000", "-v 1000000", "-v 2000000", "-d 300000", "-d 2000000"])(
  "with little memory to reserve, ulimit %s",
  (limit) => {
    test("-v works", () => expect(limited(limit, "-v").status).toBe(0));

    test("a load works, and words and warnings come once", () => {
      const words = [
        "-c",
        "-l",
        "--append=gr\u00f6\u00dfer",
        "--type=x",
        "--type=bzImage64",
        kernel,
      ];
      const { status, stderr } = limited(limit, ...words);
      expect(stderr.match(/Warning: /g)?.length).toBe(1);
      expect(status).toBe(0);
      const [call, ...more] = recorder.calls();
      expect(more).toEqual([]);
      const texts = call?.call === "kexec_load" ? call.segments.map(({ bytes }) => bytes) : [];
      expect(texts.join("")).toContain("gr\xc3\xb6\xc3\x9fer\0");
    });
  },
);

describe("with little address space", () => {
  test("a word that is not UTF-8 would change: the reason is said, with the limit", () => {
    const script = 'ulimit -v 1000000; exec "$@"';
    const words = [...recorder.words, KEXEC, "-c", "-l", "--append=b\xe4r", kernel];
    const { status, stderr } = runBytes(["/bin/sh", "-c", script, "sh", ...words]);
    expect(stderr).toStartWith("cannot make system calls: the runtime could not reserve memory");
    expect(stderr).toContain("ulimit -v (RLIMIT_AS, LimitAS=) is 977 MiB");
    expect(stderr).not.toContain("executable");
    expect(stderr.trimEnd().split("\n").length).toBeLessThanOrEqual(4);
    expect(status).toBe(255);
    expect(recorder.calls()).toEqual([]);
  });

  test("4 GB: a load works, one with a larger initrd says which file is too large", () => {
    expect(limited("-v 4000000", "-c", "-l", kernel)).toMatchObject({ status: 0, stderr: "" });
    const initrd = join(scratch, "initrd");
    writeFileSync(initrd, "");
    truncateSync(initrd, 3 * 2 ** 30);
    const { stderr, status } = limited("-v 4000000", "-c", "-l", `--initrd=${initrd}`, kernel);
    expect(stderr).toBe(
      `${initrd}: cannot allocate ${3 * 2 ** 30} bytes of memory: Cannot allocate memory\n`,
    );
    expect(status).toBe(255);
    expect(recorder.calls()).toEqual([]);
  });
});

test("a stack of 160 KiB is enough", () => {
  expect(limited("-s 160", "-c", "-l", kernel)).toMatchObject({ status: 0, stderr: "" });
});

test("with too few file descriptors it says so", () => {
  const words = [KEXEC, "-c", "-l", "--dry-run", `--facts=${FACTS}`, kernel];
  const { status, stderr } = shell('ulimit -n 5; exec "$@"', words);
  expect(stderr).toContain("EMFILE: too many open files");
  expect(stderr).toContain("ulimit -n");
  expect(status).toBe(255);
});

test("with eight file descriptors", () => {
  const script = 'ulimit -n 8; exec "$@"';
  const words = [...recorder.words, KEXEC, "-c", "-l", kernel];
  expect(shell(script, words)).toMatchObject({ status: 0, stderr: "" });
});

describe("a signal while an initrd is read", () => {
  /** Writes until the reader has taken far more than a pipe holds, so that it is in its loop. */
  async function feed(pipe: number): Promise<void> {
    const bytes = new Uint8Array(65536);
    for (let left = 64; left > 0; ) {
      try {
        writeSync(pipe, bytes);
        left -= 1;
      } catch {
        await sleep(5);
      }
    }
  }

  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "%s ends it, nothing is loaded",
    async (name) => {
      const fifo = join(scratch, `fifo-${name}`);
      run(["mkfifo", fifo]);
      const pipe = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
      const [program = "", ...words] = [
        ...recorder.words,
        KEXEC,
        "-c",
        "-l",
        `--initrd=${fifo}`,
        kernel,
      ];
      const child = spawn(program, words, {
        env: CLEAN_ENVIRONMENT,
        stdio: ["ignore", "pipe", "pipe"],
      });
      const ended = once(child, "exit");
      await feed(pipe);
      child.kill(name);
      const [status, signal] = await ended;
      closeSync(pipe);
      expect([status, signal]).toEqual([null, name]);
      expect(recorder.calls()).toEqual([]);
    },
  );
});

test("eight at the same time do not disturb each other", async () => {
  const jobs = Array.from({ length: 8 }, async (_, i) => {
    const own = recorderTo(recorder.program, join(scratch, `record-${i}`));
    const [program = "", ...words] = [
      ...own.words,
      KEXEC,
      "-c",
      "-l",
      `--append=number-${i}`,
      kernel,
    ];
    const child = spawn(program, words, { env: CLEAN_ENVIRONMENT, stdio: "ignore" });
    const [status] = await once(child, "exit");
    const [call] = own.calls();
    const segments = call?.call === "kexec_load" ? call.segments : [];
    return [status, segments.filter(({ bytes }) => bytes.includes(`number-${i}\0`)).length];
  });
  expect(await Promise.all(jobs)).toEqual(jobs.map(() => [0, 1]));
});
