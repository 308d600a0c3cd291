import { expect, test } from "bun:test";
import {
  asInt,
  asUlong,
  libc,
  openingError,
  result,
  strerror,
} from "../../../src/edge/ffi/libc.ts";
import { runScript } from "../run-script.ts";

test("the C library is opened by an absolute path, once", () => {
  expect(libc().path).toStartWith("/");
  expect(libc()).toBe(libc());
});

/** glibc's texts, which scripts and kselftest search for. */
test.each([
  [1, "Operation not permitted"],
  [2, "No such file or directory"],
  [22, "Invalid argument"],
  [38, "Function not implemented"],
  [126, "Required key not available"],
  [129, "Key was rejected by service"],
  [524, "Unknown error 524"],
])("strerror(%i)", (errno, text) => {
  expect(strerror(errno)).toBe(text);
});

test("result returns a failed call's error number, and other results unchanged", () => {
  const { lseek, munmap } = libc().symbols;
  expect(Number(result(lseek(-1, 0n, 0)))).toBe(-9);
  expect(result(munmap(1n, 4096n))).toBe(-22);
  expect(result(0)).toBe(0);
  expect(result(7n)).toBe(7n);
});

test.each([2 ** 31, -(2 ** 31) - 1, 1.5, Number.NaN, 2 ** 40 + 5])("%d is no int", (value) => {
  expect(() => asInt(value)).toThrow(RangeError);
});

test.each([-1n, 1n << 64n, -1])("%p is no unsigned long", (value) => {
  expect(() => asUlong(value)).toThrow(RangeError);
});

test.each([
  [0, 0n],
  [(1n << 64n) - 1n, (1n << 64n) - 1n],
])("asUlong(%p)", (value, wide) => {
  expect(asUlong(value)).toBe(wide);
});

test("a dlopen that fails for another reason: the error names the library and the reason", () => {
  const error = openingError("/lib/libc.so.6", new Error('Symbol "x" not found'));
  expect(error.code).toBe("host.libc");
  expect(error.message).toContain("/lib/libc.so.6");
  expect(error.message).toContain('Symbol "x" not found');
});

test("without the JIT the hint lists what forbids executable memory", () => {
  const ran = runScript(
    `import { libc } from "@src/edge/ffi/libc.ts";
     try { libc(); } catch (e) { console.log(e.code, e.exitStatus); console.log(e.hint); }`,
    { env: { BUN_JSC_useJIT: "0" } },
  );
  expect(ran.stdout).toStartWith("host.no-jit 255\n");
  expect(ran.stdout).toContain("Unset BUN_JSC_useJIT.");
});

test("a hostile libc.so.6 in the working directory is not opened", () => {
  const ran = runScript(
    `import { writeFileSync } from "node:fs";
     for (const name of ["libc.so.6", "libc.so", "libdl.so.2"]) writeFileSync(name, "no library");
     const { libc, strerror } = await import("@src/edge/ffi/libc.ts");
     console.log(libc().path.startsWith("/"), strerror(2));`,
  );
  expect(ran.stdout).toBe("true No such file or directory\n");
});
