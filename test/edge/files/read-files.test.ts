import { afterAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type ReadObserver, readAll } from "../../../src/edge/files/read-all.ts";
import { memoryFile, openInput } from "../../../src/edge/files/read-files.ts";
import type { InputFile } from "../../../src/model/image-type.ts";
import type { FileReference } from "../../../src/model/load-plan.ts";
import { refusal } from "../../kexec-error.ts";
import { removeScratch, runScript, scratch } from "../run-script.ts";

afterAll(removeScratch);

const MIB = 1024 * 1024;

/** As kexec_load's attempt reads a file that is not mapped. */
function readWholeFile(path: string, observe: ReadObserver = () => {}): InputFile {
  const input = openInput(path, "kernel", null, {
    progress: (read) => read(observe),
    mapped: false,
  });
  try {
    return input.read();
  } finally {
    input.close();
  }
}

/** Bytes that differ everywhere, so that a piece in the wrong place shows. */
function pattern(length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i += 1) words[i] = Math.imul(i, 0x9e3779b1);
  return new Uint8Array(words.buffer, 0, length);
}

function fileOf(bytes: Uint8Array): string {
  const path = join(scratch(), "file");
  writeFileSync(path, bytes);
  return path;
}

/** A named pipe into which another process writes `bytes`. */
function pipeOf(bytes: Uint8Array): string {
  const path = join(scratch(), "pipe");
  execFileSync("mkfifo", [path]);
  Bun.spawn(["sh", "-c", 'cat "$0" > "$1"', fileOf(bytes), path]);
  return path;
}

/** Number of open descriptors of this process, to detect leaks. */
const descriptors = (): string[] => readdirSync("/proc/self/fd");

describe("readWholeFile", () => {
  test.each([1, 4095, 4096, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 5 * MIB + 3])(
    "%i bytes",
    (length) => {
      const bytes = pattern(length);
      const file = readWholeFile(fileOf(bytes));
      expect(Buffer.compare(file.bytes, bytes)).toBe(0);
    },
  );

  test("a path is bytes, and is returned unchanged", () => {
    const path = join(scratch(), "k\xe4rnel");
    writeFileSync(Buffer.from(path, "latin1"), "x");
    expect(readWholeFile(path)).toMatchObject({ path, bytes: new Uint8Array([0x78]) });
  });

  test.each([1, MIB - 1, MIB, MIB + 1, 7 * MIB])("a pipe with %i bytes", (length) => {
    const bytes = pattern(length);
    const file = readWholeFile(pipeOf(bytes));
    expect(Buffer.compare(file.bytes, bytes)).toBe(0);
  });

  test("a file of /proc, whose st_size is 0", () => {
    const { bytes } = readWholeFile("/proc/version");
    expect(bytes).toEqual(new Uint8Array(readFileSync("/proc/version")));
  });

  test("the observer is called after every read(2), up to the end", () => {
    const heard: [number, number | null][] = [];
    const observe = (done: number, total: number | null): void => {
      heard.push([done, total]);
    };
    const path = fileOf(pattern(5 * MIB));
    readWholeFile(path, observe);
    expect(heard.length).toBeGreaterThan(2);
    expect(heard.at(-1)).toEqual([5 * MIB, 5 * MIB]);
    expect(heard.every(([done], i) => done > (heard[i - 1]?.[0] ?? 0))).toBe(true);
  });

  const directory = scratch();
  mkdirSync(join(directory, "dir"));
  writeFileSync(join(directory, "empty"), "");
  test.each([
    ["missing", "file.open", "Cannot open `PATH': No such file or directory"],
    ["empty/x", "file.open", "Cannot open `PATH': Not a directory"],
    ["empty", "file.empty", "Cannot read PATH"],
    ["dir", "file.read", "Read on PATH failed: Is a directory\nCannot read PATH"],
  ])("%s: %s", (name, code, message) => {
    const path = join(directory, name);
    const error = refusal(() => readWholeFile(path));
    expect(error.code).toBe(code as typeof error.code);
    expect(error.message).toBe(message.replaceAll("PATH", path));
    expect(error.exitStatus).toBe(1);
  });

  test.each(["/dev/null", "/dev/zero"])("%s has no bytes to read", (path) => {
    expect(refusal(() => readWholeFile(path)).message).toBe(`Cannot read ${path}`);
  });

  test("an empty pipe", () => {
    const path = pipeOf(new Uint8Array(0));
    expect(refusal(() => readWholeFile(path)).code).toBe("file.empty");
  });

  test("more than 4 GiB are refused before anything is read", () => {
    const path = fileOf(new Uint8Array(1));
    truncateSync(path, 2 ** 32 + 1);
    const error = refusal(() => readWholeFile(path));
    expect(error.code).toBe("file.too-large");
    expect(error.message).toContain("it has 4294967297 bytes, and at most 4294967296");
  });

  test("no descriptor is left open, on success or failure", () => {
    const before = descriptors();
    readWholeFile(fileOf(pattern(10)));
    refusal(() => readWholeFile(join(directory, "empty")));
    refusal(() => readWholeFile(join(directory, "dir")));
    expect(descriptors()).toEqual(before);
  });
});

describe("a file that changes while it is read", () => {
  /** Reads with the size that the file had before the change. */
  function readAs(size: number, actual: number) {
    const path = fileOf(pattern(actual));
    const fd = openSync(path, "r");
    try {
      return refusal(() => readAll({ fd, path: "F", size, from: "start", mayNotGrow: true }));
    } finally {
      closeSync(fd);
    }
  }

  test("a file that shrinks: kexec-tools' message", () => {
    const error = readAs(3 * MIB, 2 * MIB + 5);
    expect(error.code).toBe("file.changed");
    expect(error.message).toBe("Read on F ended before stat said it should");
  });

  test("a file that grows is refused, since only a part of it would be loaded", () => {
    const error = readAs(100, 101);
    expect(error.code).toBe("file.changed");
    expect(error.message).toContain("grew");
  });

  test("a file that is truncated during the read", () => {
    const path = fileOf(pattern(6 * MIB));
    const observe = (): void => truncateSync(path, 3 * MIB);
    expect(refusal(() => readWholeFile(path, observe)).code).toBe("file.changed");
  });
});

describe("an input", () => {
  const directory = scratch();
  mkdirSync(join(directory, "dir"));
  writeFileSync(join(directory, "empty"), "");

  function referenceOf(input: { reference(): unknown }): FileReference {
    return input.reference() as FileReference;
  }

  test("a file is opened once, close-on-exec, for the kernel and for reading it here", () => {
    const bytes = pattern(3 * MIB);
    const before = descriptors();
    const input = openInput(fileOf(bytes), "kernel", null);
    const file = referenceOf(input);
    expect(file.size).toBe(BigInt(bytes.length));
    expect(readFileSync(`/proc/self/fdinfo/${file.fd}`, "latin1")).toMatch(
      /^flags:\s+02[0-7]{6}$/m,
    );
    expect(Buffer.compare(input.read().bytes, bytes)).toBe(0);
    expect(input.read()).toBe(input.read());
    expect(referenceOf(input)).toBe(file);
    expect(descriptors().length).toBe(before.length + 1);
    input.close();
    expect(descriptors()).toEqual(before);
  });

  test("another file that takes its name in the meantime is not read", () => {
    const path = fileOf(pattern(10));
    const input = openInput(path, "initrd", "K");
    referenceOf(input);
    renameSync(fileOf(pattern(20)), path);
    expect(input.read().bytes).toEqual(pattern(10));
    input.close();
  });

  /** Opens an initrd for kexec_file_load and refers to it. */
  function refer(path: string, kernel: string | null): void {
    const input = openInput(path, "initrd", kernel);
    try {
      input.reference();
    } finally {
      input.close();
    }
  }

  test.each([
    ["missing", "Could not open initrd file PATH:No such file or directory\nCannot load K"],
    ["dir", "Could not open initrd file PATH:Is a directory\nCannot load K"],
    ["empty", "Cannot read PATH\nCannot load K"],
  ] as const)("initrd %s", (name, message) => {
    const path = join(directory, name);
    const before = descriptors();
    const error = refusal(() => refer(path, "K"));
    expect(error.message).toBe(message.replaceAll("PATH", path));
    expect(error.exitStatus).toBe(255);
    expect(descriptors()).toEqual(before);
  });

  test.each([1, 3 * MIB + 1])("a pipe with %i bytes serves both system calls", (length) => {
    const bytes = pattern(length);
    const path = pipeOf(bytes);
    const input = openInput(path, "initrd", "K");
    const file = referenceOf(input);
    expect(file).toMatchObject({ path, size: BigInt(bytes.length) });
    expect(fstatSync(file.fd).isFile()).toBe(true);
    expect(readFileSync(`/proc/self/fd/${file.fd}`)).toEqual(Buffer.from(bytes));
    expect(Buffer.compare(input.read().bytes, bytes)).toBe(0);
    input.close();
    closeSync(file.fd);
  });
});

describe("a file in memory", () => {
  const script = `import { memoryFile } from "@src/edge/files/read-files.ts";
    const file = memoryFile("F", "initrd", new Uint8Array(3 << 20));
    const text = "notByFile" in file ? file.failure.message + "|" + file.failure.hint : "made";
    process.stdout.write(text.replaceAll("\\n", " "));`;

  test("has the bytes", () => {
    const bytes = pattern(2 * MIB + 7);
    const file = memoryFile("F", "kernel", bytes) as FileReference;
    expect(readFileSync(`/proc/self/fd/${file.fd}`)).toEqual(Buffer.from(bytes));
    closeSync(file.fd);
  });

  test.each([
    ["EPERM", "Operation not permitted", "LSM"],
    ["EACCES", "Permission denied", "SELinux"],
    ["ENOSYS", "Function not implemented", "seccomp"],
    ["EMFILE", "Too many open files", "ulimit -n"],
    ["ENOMEM", "Cannot allocate memory", "Try -c"],
  ])("memfd_create ends with %s", (errno, text, hint) => {
    const under = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=memfd_create"];
    const ran = runScript(script, {
      under: [...under, "-e", `inject=memfd_create:error=${errno}`],
    });
    expect(ran.stdout).toStartWith(`cannot put F into a file in memory: memfd_create: ${text}|`);
    expect(ran.stdout).toContain(hint);
    expect(ran.stdout).toContain("Try -c");
    expect(ran.status).toBe(0);
  });

  test("the limit on the size of files holds for it", () => {
    const under = ["bash", "-c", 'ulimit -f 1024; exec "$0" "$@"'];
    const ran = runScript(script, { under });
    expect(ran.stdout).toStartWith("cannot put F into a file in memory: write: File too large|");
    expect(ran.stdout).toContain("ulimit -f");
    expect(ran.status).toBe(0);
  });
});
