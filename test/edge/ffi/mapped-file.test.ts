import { afterAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { closeSync, openSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { busErrorCode } from "../../../src/edge/ffi/bus-error-code.ts";
import { MappedFile } from "../../../src/edge/ffi/mapped-file.ts";
import { removeScratch, runScript, scratch } from "../run-script.ts";

afterAll(removeScratch);

const PAGE = 4096;

function fileOf(size: number, fill = 7): string {
  const path = join(scratch(), "file");
  writeFileSync(path, new Uint8Array(size).fill(fill));
  return path;
}

function mapped(path: string, size: number): MappedFile {
  const fd = openSync(path, "r");
  const mapping = MappedFile.map(fd, size);
  closeSync(fd);
  if (mapping === null) throw new Error(`${path} cannot be mapped`);
  return mapping;
}

const mapsOf = (path: string): number =>
  readFileSync("/proc/self/maps", "latin1").split(`${path}\n`).length - 1;

test("the handler's bytes are those of its source", () => {
  const source = join(import.meta.dir, "../../../src/edge/ffi/bus-error-x64.S");
  const object = join(scratch(), "handler.o");
  execFileSync("gcc", ["-c", source, "-o", object]);
  execFileSync("objcopy", ["-O", "binary", "-j", ".text", object]);
  expect(busErrorCode()?.code).toEqual(new Uint8Array(readFileSync(object)));
});

describe("a mapped file", () => {
  test.each([1, PAGE, 3 * PAGE + 5])("%i bytes, until it is unmapped", (size) => {
    const path = fileOf(size);
    const mapping = mapped(path, size);
    expect(mapping.readAhead(0, size)).toBe(true);
    expect(Buffer.compare(mapping.bytes(), readFileSync(path))).toBe(0);
    expect(mapping.failed).toBe(false);
    expect(mapsOf(path)).toBe(1);
    mapping.unmap();
    expect(mapsOf(path)).toBe(0);
  });

  test("what cannot be mapped", () => {
    const fd = openSync("/proc/self/status", "r");
    expect(MappedFile.map(fd, PAGE)).toBeNull();
    closeSync(fd);
  });

  test("no more mappings than can be guarded", () => {
    const path = fileOf(PAGE);
    const held = Array.from({ length: 32 }, () => mapped(path, PAGE));
    expect(() => mapped(path, PAGE)).toThrow("cannot be mapped");
    for (const mapping of held) mapping.unmap();
    expect(mapsOf(path)).toBe(0);
    mapped(path, PAGE).unmap();
  });
});

describe("a page that cannot be read", () => {
  test("is zeros, as are those behind it, and `failed` says so", () => {
    const size = 9 * PAGE + 3;
    const path = fileOf(size);
    const other = mapped(fileOf(size), size);
    const mapping = mapped(path, size);
    const bytes = mapping.bytes();
    truncateSync(path, 4 * PAGE);
    expect(bytes[0]).toBe(7);
    expect(mapping.failed).toBe(false);
    expect(bytes[5 * PAGE + 17]).toBe(0);
    expect(mapping.failed).toBe(true);
    expect(bytes.subarray(5 * PAGE).every((byte) => byte === 0)).toBe(true);
    expect(bytes.subarray(0, 4 * PAGE).every((byte) => byte === 7)).toBe(true);
    // The page between has its own signal.
    expect(bytes[4 * PAGE]).toBe(0);
    expect(other.failed).toBe(false);
    expect(other.bytes().every((byte) => byte === 7)).toBe(true);
    mapping.unmap();
    other.unmap();
    expect(mapsOf(path)).toBe(0);
  });

  test("a digest of it ends, too", () => {
    const size = 64 * PAGE;
    const path = fileOf(size);
    const mapping = mapped(path, size);
    truncateSync(path, 0);
    new Bun.CryptoHasher("sha256").update(mapping.bytes()).digest();
    expect(mapping.failed).toBe(true);
    mapping.unmap();
  });

  // So many that the compiler has long taken over.
  test.each([8, 30_000])("to read %i pages ahead ends, and says so", (pages) => {
    const size = pages * PAGE;
    const path = fileOf(size);
    const mapping = mapped(path, size);
    truncateSync(path, size - 2 * PAGE);
    expect(mapping.readAhead(0, size)).toBe(false);
    expect(mapping.failed).toBe(true);
    mapping.unmap();
  });

  test("a later mapping at the same place has not failed", () => {
    const path = fileOf(PAGE);
    const mapping = mapped(path, PAGE);
    truncateSync(path, 0);
    expect(mapping.bytes()[0]).toBe(0);
    mapping.unmap();
    const next = mapped(fileOf(PAGE), PAGE);
    expect(next.failed).toBe(false);
    expect(next.bytes()[0]).toBe(7);
    next.unmap();
  });
});

describe("another SIGBUS ends the program as without the handler", () => {
  /** Maps and guards a file, if it is to, and then does `what`. */
  const run = (guarded: boolean, what: string) =>
    runScript(
      `import { openSync, truncateSync, writeFileSync } from "node:fs";
       import { toArrayBuffer } from "bun:ffi";
       import { libc } from "@src/edge/ffi/libc.ts";
       import { MappedFile } from "@src/edge/ffi/mapped-file.ts";
       writeFileSync("a", new Uint8Array(${PAGE}));
       writeFileSync("b", new Uint8Array(${PAGE}));
       const { mmap, syscall } = libc().symbols;
       const at = Number(mmap(0n, ${PAGE}n, 1, 1, openSync("a", "r"), 0n));
       if (${guarded}) MappedFile.map(openSync("b", "r"), ${PAGE})?.bytes().at(0);
       truncateSync("a", 0);
       ${what}
       console.log("alive", new Uint8Array(toArrayBuffer(at, 0, 8))[0]);`,
    );

  test.each([
    ["a page of another mapping", ""],
    ["a signal that was sent", 'process.kill(process.pid, "SIGBUS"); Bun.sleepSync(50);'],
  ])("%s", (_, what) => {
    const without = run(false, what);
    const guarded = run(true, what);
    expect(without.status).not.toBe(0);
    expect(guarded.status).toBe(without.status);
    expect(guarded.stdout).toBe("");
  });
});

test("where no handler can be set, nothing is mapped", () => {
  const script = `import { openSync } from "node:fs";
    import { MappedFile } from "@src/edge/ffi/mapped-file.ts";
    import { libc } from "@src/edge/ffi/libc.ts";
    libc();
    console.log(MappedFile.map(openSync("/proc/self/exe", "r"), 4096) === null);`;
  const under = (fault: string) => ["strace", "-f", "-qq", "-o", "/dev/null", ...["-e", fault]];
  // The runtime's own actions at its start come first.
  const refused = runScript(script, { under: under("inject=rt_sigaction:error=EPERM:when=14+") });
  expect(refused.stdout).toBe("true\n");
  expect(runScript(script).stdout).toBe("false\n");
});
