import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const LIST = "src/core/error-code.ts";
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const sources = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "src"], { cwd: ROOT })
  .toString()
  .split("\n")
  .filter((path) => path.endsWith(".ts") && path !== LIST)
  .map(read);
const codes = [...read(LIST).matchAll(/"([a-z]+\.[a-z0-9_-]+)"/g)].map(([, code]) => code ?? "");

test("each code of the list is thrown somewhere", () => {
  expect(codes.length).toBeGreaterThan(50);
  const unused = codes.filter((code) => !sources.some((text) => text.includes(`"${code}"`)));
  expect(unused).toEqual([]);
});

test("the list is sorted, and no code is in it twice", () => {
  expect(codes).toEqual([...new Set(codes)].sort());
});

test("nothing branches on a code", () => {
  const branches = sources.flatMap(
    (text) => text.match(/.*\.code (?:[!=]==|\.startsWith).*/g) ?? [],
  );
  // The error codes of node and zlib, and the codes of zod's issues, are not ours.
  const others = /ERR_BUFFER_TOO_LARGE|ENOENT|unrecognized_keys|typeof error.code/;
  expect(branches.filter((line) => !others.test(line))).toEqual([]);
});
