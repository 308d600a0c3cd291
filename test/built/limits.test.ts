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

test("with the engine's JIT switched off it says so too", () => {
  const env = { BUN_JSC_useJIT: "0" };
  const { stderr, status } = run([KEXEC, "-c", "-l", "--dry-run", kernel], { env });
  expect(stderr).toMatch(NO_JIT);
  expect(stderr).toContain("BUN_JSC_useJIT=0");
  expect(status).toBe(255);
});

describe("with little address space", () => {
  const limited = (kib: number, ...words: string[]) =>
    shell('ulimit -v "$1"; shift; exec "$@"', [`${kib}`, ...recorder.words, KEXEC, ...words]);

  test("1 GB: -v works, a load says why not", () => {
    expect(limited(1_000_000, "-v").status).toBe(0);
    const { stderr, status } = limited(1_000_000, "-c", "-l", kernel);
    expect(stderr).toMatch(NO_JIT);
    expect(stderr).toContain("ulimit -v");
    expect(status).toBe(255);
    expect(recorder.calls()).toEqual([]);
  });

  test("4 GB: a load works, one with a larger initrd says which file is too large", () => {
    expect(limited(4_000_000, "-c", "-l", kernel)).toMatchObject({ status: 0, stderr: "" });
    const initrd = join(scratch, "initrd");
    writeFileSync(initrd, "");
    truncateSync(initrd, 3 * 2 ** 30);
    const { stderr, status } = limited(4_000_000, "-c", "-l", `--initrd=${initrd}`, kernel);
    expect(stderr).toBe(
      `${initrd}: cannot allocate ${3 * 2 ** 30} bytes of memory: Cannot allocate memory\n`,
    );
    expect(status).toBe(255);
    expect(recorder.calls()).toEqual([]);
  });
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
