/** Files that are mapped under a read lease, and who may write to them meanwhile. */

import { afterAll, afterEach, describe, expect, test } from "bun:test";
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fcntl } from "../../../src/edge/ffi/device-calls.ts";
import { openInput } from "../../../src/edge/files/read-files.ts";
import type { Input } from "../../../src/model/world.ts";
import { refusal } from "../../kexec-error.ts";
import { removeScratch, runScript, scratch } from "../run-script.ts";

const MIB = 1024 * 1024;
const SMALLEST = 65536;

const inMemory = mkdtempSync("/dev/shm/onekexec-");
const opened: Input[] = [];
afterEach(() => {
  for (const input of opened.splice(0)) input.close();
});
afterAll(() => {
  removeScratch();
  rmSync(inMemory, { recursive: true });
});

function pattern(length: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i += 1) words[i] = Math.imul(i + seed, 0x9e3779b1);
  return new Uint8Array(words.buffer, 0, length);
}

function fileOf(bytes: Uint8Array, folder = scratch()): string {
  const path = join(folder, "file");
  writeFileSync(path, bytes);
  return path;
}

function open(path: string, mapped?: boolean): Input {
  const input = openInput(path, "initrd", null, mapped === undefined ? {} : { mapped });
  opened.push(input);
  return input;
}

const isMapped = (path: string): boolean =>
  readFileSync("/proc/self/maps", "latin1").includes(`${path}\n`);

/** Whether this process has a lease on the file. */
function isLeased(path: string): boolean {
  const lease = new RegExp(`LEASE .* ${process.pid} \\S+:${statSync(path).ino} `);
  return lease.test(readFileSync("/proc/locks", "latin1"));
}

const same = (input: Input, bytes: Uint8Array): boolean =>
  Buffer.compare(input.read().bytes, bytes) === 0;

/** A shell command of another process on the file, which is `$0`. */
function other(path: string, command: string) {
  return Bun.spawn(["/bin/sh", "-c", command, path], { stdout: "ignore", stderr: "ignore" });
}

/** Another process that runs `code` on the file at `path`. */
function script(path: string, code: string) {
  const libc = join(import.meta.dir, "../../../src/edge/ffi/libc.ts");
  const file = join(scratch(), "script.ts");
  writeFileSync(
    file,
    `import { closeSync, openSync, truncateSync } from "node:fs";
     import { libc } from ${JSON.stringify(libc)};
     const path = ${JSON.stringify(path)};
     ${code}`,
  );
  return Bun.spawn([process.execPath, file], { stdin: "pipe", stdout: "pipe" });
}

/** Waits up to 10 s. */
async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !what(); i += 1) await Bun.sleep(10);
  expect(what()).toBe(true);
}

describe("a file is mapped", () => {
  test.each([
    ["on the disk", SMALLEST, undefined],
    ["in memory", SMALLEST, inMemory],
    ["of many pages and a part", 33 * MIB + 5, undefined],
  ])("%s", (_, size, folder) => {
    const bytes = pattern(size);
    const path = fileOf(bytes, folder);
    const input = open(path);
    expect(same(input, bytes)).toBe(true);
    expect(input.read()).toBe(input.read());
    expect([isMapped(path), isLeased(path), input.changed()]).toEqual([true, true, false]);
    input.close();
    expect([isMapped(path), isLeased(path)]).toEqual([false, false]);
  });

  test("the observer is called up to the end", () => {
    const heard: (number | null)[][] = [];
    const progress = <T>(read: (observe: (d: number, t: number | null) => void) => T): T =>
      read((...said) => heard.push(said));
    const input = openInput(fileOf(pattern(20 * MIB)), "initrd", null, { progress });
    input.read();
    input.close();
    expect(heard).toEqual([
      [16 * MIB, 20 * MIB],
      [20 * MIB, 20 * MIB],
    ]);
  });

  test("twice, where it is two inputs", () => {
    const bytes = pattern(SMALLEST);
    const path = fileOf(bytes);
    const [kernel, initrd] = [open(path), open(path)];
    expect([same(kernel, bytes), same(initrd, bytes)]).toEqual([true, true]);
    kernel.close();
    expect([isMapped(path), isLeased(path), initrd.changed()]).toEqual([true, true, false]);
  });

  test("and others read it, rename it, and remove it meanwhile", () => {
    const bytes = pattern(SMALLEST);
    const path = fileOf(bytes);
    const input = open(path);
    input.read();
    expect(readFileSync(path).length).toBe(SMALLEST);
    renameSync(fileOf(pattern(10)), path);
    expect([same(input, bytes), input.changed()]).toEqual([true, false]);
    unlinkSync(path);
    expect([same(input, bytes), input.changed()]).toEqual([true, false]);
  });
});

describe("a file is copied", () => {
  /** Reads the file, which is not mapped. */
  function copied(path: string, bytes: Uint8Array): void {
    const input = open(path);
    expect(same(input, bytes)).toBe(true);
    expect([isMapped(path), isLeased(path), input.changed()]).toEqual([false, false, false]);
  }

  test("where it is small", () => {
    const bytes = pattern(SMALLEST - 1);
    copied(fileOf(bytes), bytes);
  });

  test("where the host wants copies", () => {
    const path = fileOf(pattern(SMALLEST));
    open(path, false).read();
    expect([isMapped(path), isLeased(path)]).toEqual([false, false]);
  });

  test("where somebody has it open for writing", () => {
    const bytes = pattern(SMALLEST);
    const path = fileOf(bytes);
    const writer = openSync(path, "r+");
    copied(path, bytes);
    closeSync(writer);
  });

  test("where somebody has mapped it for writing, and closed it", async () => {
    const bytes = pattern(SMALLEST);
    const path = fileOf(bytes);
    // O_RDWR, then PROT_READ | PROT_WRITE and MAP_SHARED.
    const writer = script(
      path,
      `const fd = openSync(path, "r+");
       libc().symbols.mmap(0n, 4096n, 3, 1, fd, 0n);
       closeSync(fd);
       console.log();
       await Bun.stdin.text();`,
    );
    await writer.stdout.getReader().read();
    copied(path, bytes);
    writer.stdin.end();
    await writer.exited;
  });

  test("where it is in memory and has holes, which mapping would fill", () => {
    const path = fileOf(new Uint8Array(0), inMemory);
    truncateSync(path, MIB);
    copied(path, new Uint8Array(MIB));
    expect(statSync(path).blocks).toBe(0);
  });

  test("where it is a file of /proc", () => {
    const input = open("/proc/kallsyms");
    expect(input.read().bytes.length).toBeGreaterThan(SMALLEST);
    expect([isMapped("/proc/kallsyms"), input.changed()]).toEqual([false, false]);
  });
});

describe("a process that writes waits, and the input has changed", () => {
  test.each([
    ["appends", 'echo more >> "$0"'],
    ["rewrites", 'echo new > "$0"'],
    ["writes into it", 'printf x | dd of="$0" conv=notrunc status=none'],
  ])("it %s", async (_, command) => {
    const bytes = pattern(3 * MIB);
    const path = fileOf(bytes);
    const input = open(path);
    input.read();
    const writer = other(path, command);
    await until(() => input.changed());
    // It is as it was: a copy that is made now is of the old contents.
    expect(same(input, bytes)).toBe(true);
    input.unmap();
    expect(isMapped(path)).toBe(false);
    expect(input.changed()).toBe(false);
    expect(same(input, bytes)).toBe(true);
    expect(isMapped(path)).toBe(false);
    // Nothing holds it off any more.
    expect(await writer.exited).toBe(0);
    expect(isLeased(path)).toBe(false);
    expect(Buffer.compare(readFileSync(path), bytes)).not.toBe(0);
    expect([same(input, bytes), input.changed()]).toEqual([true, false]);
  });

  test("it truncates", async () => {
    const bytes = pattern(3 * MIB);
    const path = fileOf(bytes);
    const input = open(path);
    input.read();
    const writer = script(path, "truncateSync(path, 5);");
    await until(() => input.changed());
    input.unmap();
    expect(same(input, bytes)).toBe(true);
    expect(await writer.exited).toBe(0);
    expect(statSync(path).size).toBe(5);
  });

  test("until the input is closed", async () => {
    const path = fileOf(pattern(SMALLEST));
    const input = open(path);
    input.read();
    const writer = other(path, 'echo new > "$0"');
    await until(() => input.changed());
    expect(statSync(path).size).toBe(SMALLEST);
    input.close();
    expect(await writer.exited).toBe(0);
    expect(readFileSync(path, "latin1")).toBe("new\n");
  });

  test("one that does not wait fails", async () => {
    const path = fileOf(pattern(SMALLEST));
    const input = open(path);
    input.read();
    const writer = other(path, 'dd if=/dev/null of="$0" conv=notrunc oflag=nonblock');
    expect(await writer.exited).not.toBe(0);
  });
});

describe("without the lease, as after its time ran out", () => {
  const F_SETLEASE = 1024;
  const F_UNLCK = 2;

  function openUnleased(bytes: Uint8Array) {
    const path = fileOf(bytes);
    const input = open(path);
    const file = input.reference();
    input.read();
    if ("notByFile" in file) throw new Error(file.notByFile);
    expect(fcntl(file.fd, F_SETLEASE, F_UNLCK)).toBe(0);
    return { path, input };
  }

  test("the input has changed, whether or not it has", () => {
    const { input } = openUnleased(pattern(SMALLEST));
    expect(input.changed()).toBe(true);
  });

  test("a file that is truncated under our hands ends nothing, and is read again", () => {
    const { path, input } = openUnleased(pattern(MIB));
    const { bytes } = input.read();
    truncateSync(path, 10);
    expect(bytes[MIB - 1]).toBe(0);
    expect(input.changed()).toBe(true);
    input.unmap();
    expect(same(input, pattern(MIB).subarray(0, 10))).toBe(true);
    expect(input.changed()).toBe(false);
  });
});

test("a truncation that breaks no lease is noticed", () => {
  const path = fileOf(pattern(MIB));
  const input = open(path);
  input.read();
  closeSync(openSync(path, constants.O_RDONLY | constants.O_TRUNC));
  expect(input.changed()).toBe(true);
  input.unmap();
  expect(refusal(() => input.read()).code).toBe("file.empty");
});

test("a file that is written to while it is copied is refused", () => {
  const path = fileOf(pattern(3 * MIB));
  let wrote = false;
  const progress = <T>(read: (observe: () => void) => T): T =>
    read(() => {
      if (wrote) return;
      wrote = true;
      const fd = openSync(path, "r+");
      writeFileSync(fd, new Uint8Array(100));
      closeSync(fd);
    });
  const input = openInput(path, "initrd", null, { progress, mapped: false });
  const error = refusal(() => input.read());
  input.close();
  expect(error.code).toBe("file.changed");
  expect(error.message).toBe(`Read on ${path}: the file changed while it was read`);
  expect(error.hint).toContain("Wait until nothing writes");
});

describe("where the system refuses, the file is copied", () => {
  const reading = `import { readFileSync, writeFileSync } from "node:fs";
    import { openInput } from "@src/edge/files/read-files.ts";
    writeFileSync("file", new Uint8Array(100000).fill(7));
    const input = openInput("file", "initrd", null);
    const { bytes } = input.read();
    const isMapped = /\\/file$/m.test(readFileSync("/proc/self/maps", "latin1"));
    console.log(isMapped, bytes.length, bytes.every((b) => b === 7), input.changed());
    input.close();`;
  const run = (fault: string) =>
    runScript(reading, {
      under: ["strace", "-f", "-qq", "-o", "/dev/null", "-e", `inject=${fault}`],
    });

  test("not", () => {
    expect(runScript(reading).stdout).toBe("true 100000 true false\n");
  });

  test("not where it does not read ahead", () => {
    expect(run("madvise:error=EIO").stdout).toBe("true 100000 true false\n");
  });

  test.each([
    // The runtime's own calls come first.
    ["leases", "fcntl:error=EPERM"],
    ["leases, as of somebody else's file", "fcntl:error=EACCES"],
    ["handlers of signals", "rt_sigaction:error=EPERM:when=14+"],
    ["statfs", "statfs,fstatfs:error=EACCES"],
  ])("%s", (_, fault) => {
    const { stdout, stderr, status } = run(fault);
    expect({ stdout, stderr, status }).toEqual({
      ...{ stdout: "false 100000 true false\n", stderr: "", status: 0 },
    });
  });
});

test("SIGIO ends nothing", () => {
  const path = fileOf(pattern(SMALLEST));
  const text = `import { openInput } from "@src/edge/files/read-files.ts";
    const input = openInput(${JSON.stringify(path)}, "initrd", null);
    input.read();
    process.kill(process.pid, "SIGIO");
    console.log("alive");`;
  expect(runScript(text)).toEqual({ status: 0, stdout: "alive\n", stderr: "" });
});
