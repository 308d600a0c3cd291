/** Blob, listing, manifest and sources belong together. */

import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMON_FOLDER, checkFiles, SRC, TARGETS } from "../../../../scripts/purgatory.ts";
import { x86Purgatory } from "../../../../src/arch/x86-64/purgatory/index.ts";

const target = TARGETS.find(({ architecture }) => architecture === "x86_64");
if (target === undefined) throw new Error("scripts/purgatory.ts has no row for x86_64");
const folder = mkdtempSync(join(tmpdir(), "purgatory-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A folder that is to `checkFiles` what src/ is. */
function copyOfSources(name: string): string {
  const copy = join(folder, name);
  for (const part of [COMMON_FOLDER, target?.folder ?? ""]) {
    cpSync(join(SRC, part), join(copy, part), { recursive: true });
  }
  return copy;
}

describe("what is committed", () => {
  test("belongs together", () => {
    expect(checkFiles(target)).toEqual([]);
  });

  test("is what the program carries", () => {
    const file = new Uint8Array(readFileSync(join(SRC, target.folder, "purgatory.bin")));
    expect(x86Purgatory().blob).toEqual(file);
  });

  test.each([
    ["purgatory/purgatory.c", ": SHA-256"],
    ["purgatory/new.h", ": SHA-256"],
    ["arch/x86-64/purgatory/arch.h", ": SHA-256"],
    ["arch/x86-64/purgatory/purgatory.lds", ": SHA-256"],
    ["arch/x86-64/purgatory/purgatory.bin", ": SHA-256"],
    ["arch/x86-64/purgatory/purgatory.lst", ": SHA-256"],
    ["arch/x86-64/purgatory/blob.ts", " does not carry purgatory.bin"],
    ["arch/x86-64/purgatory/new.h", ": SHA-256"],
  ])("a change of %s is found", (path, message) => {
    const copy = copyOfSources(path.replaceAll("/", "-"));
    writeFileSync(join(copy, path), " ", { flag: "a" });
    expect(checkFiles(target, copy).join("\n")).toContain(path + message);
  });

  test("a missing source is found", () => {
    const copy = copyOfSources("missing");
    const path = "arch/x86-64/purgatory/io.h";
    rmSync(join(copy, path));
    expect(checkFiles(target, copy)).toEqual([`${path}: in the manifest, but not there`]);
  });
});
