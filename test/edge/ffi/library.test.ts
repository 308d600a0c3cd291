import { FFIType } from "bun:ffi";
import { afterAll, expect, test } from "bun:test";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { KexecError } from "../../../src/core/error.ts";
import { libc } from "../../../src/edge/ffi/libc.ts";
import { type Library, openLibrary } from "../../../src/edge/ffi/library.ts";
import { removeScratch, runScript, scratch } from "../run-script.ts";

afterAll(removeScratch);

/** A name that no system has: only a search of the working directory can find it. */
const HOSTILE = "libonekexec-hostile.so.4";

function opened(name: string): Library {
  const library = openLibrary(name);
  if ("failure" in library) throw new Error(library.failure);
  return library;
}

test("a library in the working directory is not loaded, though the runtime's dlopen would", () => {
  const cwd = scratch();
  copyFileSync(libc().path, join(cwd, HOSTILE));
  const ran = runScript(
    `import { dlopen } from "bun:ffi";
     import { openLibrary } from "@src/edge/ffi/library.ts";
     console.log("ours:", openLibrary("${HOSTILE}").failure ?? "LOADED");
     // Proves that the file would be loaded if the working directory were searched.
     dlopen("${HOSTILE}", { getpid: { args: [], returns: "i32" } });
     console.log("the runtime's: LOADED");`,
    { cwd },
  );
  expect(ran.stdout).toBe(
    `ours: ${HOSTILE}: cannot open shared object file: No such file or directory\n` +
      "the runtime's: LOADED\n",
  );
});

test.each(["", "./libz.so.1", "lib/libz.so.1", "../libz.so.1"])("%p is refused", (name) => {
  expect(() => openLibrary(name)).toThrow(RangeError);
});

test("functions are called with their prototypes", () => {
  const { toupper } = opened(libc().path).functions({
    toupper: { args: [FFIType.i32], returns: FFIType.i32 },
  });
  expect(toupper(0x61)).toBe(0x41);
});

test("has() and address() find symbols, and only those that exist", () => {
  const library = opened(libc().path);
  expect(library.has("stdout")).toBe(true);
  expect(library.address("getpid")).toBeGreaterThan(0n);
  expect(library.has("no_such_symbol")).toBe(false);
  expect(library.address("no_such_symbol")).toBeNull();
});

test("every missing function is named", () => {
  const library = opened(libc().path);
  const prototype = { args: [], returns: FFIType.i32 } as const;
  const bind = () => library.functions({ getpid: prototype, no_one: prototype, no_two: prototype });
  expect(bind).toThrow(KexecError);
  expect(bind).toThrow(`${library.name} lacks no_one, no_two`);
});
