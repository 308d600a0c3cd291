import { afterAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { sha256 } from "../../../src/core/digest.ts";
import { readAll } from "../../../src/edge/files/read-all.ts";
import {
  openForKernel,
  readOpenedFile,
  readWholeFile,
} from "../../../src/edge/files/read-files.ts";
import { refusal } from "../../kexec-error.ts";
import { removeScratch, scratch } from "../run-script.ts";

afterAll(removeScratch);

const MIB = 1024 * 1024;
const HASH = { hash: true };
const PLAIN = { hash: false };

/** Bytes without repetition, so that a chunk at the wrong offset is detected. */
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
    "%i bytes, with their digest",
    (length) => {
      const bytes = pattern(length);
      const file = readWholeFile(fileOf(bytes), HASH);
      expect(Buffer.compare(file.bytes, bytes)).toBe(0);
      expect(file.sha256).toEqual(sha256(bytes));
    },
  );

  test("without `hash` there is no digest", () => {
    expect(readWholeFile(fileOf(pattern(10)), PLAIN).sha256).toBeNull();
  });

  test("a path is bytes, and is returned unchanged", () => {
    const path = join(scratch(), "k\xe4rnel");
    writeFileSync(Buffer.from(path, "latin1"), "x");
    expect(readWholeFile(path, PLAIN)).toMatchObject({ path, bytes: new Uint8Array([0x78]) });
  });

  test.each([1, MIB - 1, MIB, MIB + 1, 7 * MIB])("a pipe with %i bytes", (length) => {
    const bytes = pattern(length);
    const file = readWholeFile(pipeOf(bytes), HASH);
    expect(Buffer.compare(file.bytes, bytes)).toBe(0);
    expect(file.sha256).toEqual(sha256(bytes));
  });

  test("a file of /proc, whose st_size is 0", () => {
    const { bytes } = readWholeFile("/proc/version", PLAIN);
    expect(bytes).toEqual(new Uint8Array(readFileSync("/proc/version")));
  });

  test("the observer is called after every read(2), up to the end", () => {
    const heard: [number, number | null][] = [];
    const observe = (done: number, total: number | null): void => {
      heard.push([done, total]);
    };
    const path = fileOf(pattern(5 * MIB));
    readWholeFile(path, { hash: false, observe });
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
    const error = refusal(() => readWholeFile(path, HASH));
    expect(error.code).toBe(code as typeof error.code);
    expect(error.message).toBe(message.replaceAll("PATH", path));
    expect(error.exitStatus).toBe(1);
  });

  test.each(["/dev/null", "/dev/zero"])("%s has no bytes to read", (path) => {
    expect(refusal(() => readWholeFile(path, PLAIN)).message).toBe(`Cannot read ${path}`);
  });

  test("an empty pipe", () => {
    const path = pipeOf(new Uint8Array(0));
    expect(refusal(() => readWholeFile(path, PLAIN)).code).toBe("file.empty");
  });

  test("more than 4 GiB are refused before anything is read", () => {
    const path = fileOf(new Uint8Array(1));
    truncateSync(path, 2 ** 32 + 1);
    const error = refusal(() => readWholeFile(path, PLAIN));
    expect(error.code).toBe("file.too-large");
    expect(error.message).toContain("it has 4294967297 bytes, and at most 4294967296");
  });

  test("no descriptor is left open, on success or failure", () => {
    const before = descriptors();
    readWholeFile(fileOf(pattern(10)), PLAIN);
    refusal(() => readWholeFile(join(directory, "empty"), PLAIN));
    refusal(() => readWholeFile(join(directory, "dir"), PLAIN));
    expect(descriptors()).toEqual(before);
  });
});

describe("a file that changes while it is read", () => {
  /** Reads with the size that the file had before the change. */
  function readAs(size: number, actual: number) {
    const path = fileOf(pattern(actual));
    const fd = openSync(path, "r");
    try {
      return refusal(() =>
        readAll({ fd, path: "F", size, from: "start", mayNotGrow: true, hash: true }),
      );
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
    expect(refusal(() => readWholeFile(path, { hash: true, observe })).code).toBe("file.changed");
  });
});

describe("openForKernel", () => {
  const directory = scratch();
  mkdirSync(join(directory, "dir"));
  writeFileSync(join(directory, "empty"), "");

  test("a file is opened, close-on-exec, and can be read from its start more than once", () => {
    const bytes = pattern(3 * MIB);
    const file = openForKernel(fileOf(bytes), "kernel", null, PLAIN);
    expect(file.size).toBe(BigInt(bytes.length));
    expect(readFileSync(`/proc/self/fdinfo/${file.fd}`, "latin1")).toMatch(
      /^flags:\s+02[0-7]{6}$/m,
    );
    expect(readOpenedFile(file, HASH).sha256).toEqual(sha256(bytes));
    expect(Buffer.compare(readOpenedFile(file, PLAIN).bytes, bytes)).toBe(0);
    closeSync(file.fd);
  });

  test.each([
    ["kernel", "missing", "Failed to open file PATH:No such file or directory"],
    [
      "initrd",
      "missing",
      "Could not open initrd file PATH:No such file or directory\nCannot load K",
    ],
    ["initrd", "dir", "Could not open initrd file PATH:Is a directory\nCannot load K"],
    ["initrd", "empty", "Cannot read PATH\nCannot load K"],
  ] as const)("%s %s", (role, name, message) => {
    const path = join(directory, name);
    const before = descriptors();
    const error = refusal(() => openForKernel(path, role, role === "initrd" ? "K" : null, PLAIN));
    expect(error.message).toBe(message.replaceAll("PATH", path));
    expect(error.exitStatus).toBe(255);
    expect(descriptors()).toEqual(before);
  });

  test("without the kernel's path the message has no second line", () => {
    const path = join(directory, "missing");
    const error = refusal(() => openForKernel(path, "initrd", null, PLAIN));
    expect(error.message).toBe(`Could not open initrd file ${path}:No such file or directory`);
  });

  test.each([
    ["empty", "Cannot read PATH"],
    ["dir", "Read on PATH failed: Is a directory\nCannot read PATH"],
  ])("a kernel that is %s fails when it is read, as in kexec-tools", (name, message) => {
    const path = join(directory, name);
    const error = refusal(() => {
      const file = openForKernel(path, "kernel", null, PLAIN);
      try {
        readOpenedFile(file, PLAIN);
      } finally {
        closeSync(file.fd);
      }
    });
    expect(error.message).toBe(message.replaceAll("PATH", path));
    expect(error.exitStatus).toBe(1);
  });

  test("a pipe is copied into a memory file, which the kernel can read", () => {
    const bytes = pattern(3 * MIB + 1);
    const path = pipeOf(bytes);
    const file = openForKernel(path, "initrd", "K", PLAIN);
    expect(file).toMatchObject({ path, size: BigInt(bytes.length) });
    expect(fstatSync(file.fd).isFile()).toBe(true);
    expect(readOpenedFile(file, HASH).sha256).toEqual(sha256(bytes));
    closeSync(file.fd);
  });
});
