/** The table of differences from kexec-tools: README shows it, and each row has its tests. */

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { differencesTable, withDifferences } from "../scripts/differences.ts";
import { DIFFERENCES } from "./conformance/differences.ts";

const TEST = import.meta.dir;
const read = (path: string): string => readFileSync(join(TEST, path), "utf8");

test("README.md shows the table as it is: if not, run scripts/differences.ts", () => {
  const readme = read("../README.md");
  expect(withDifferences(readme)).toBe(readme);
});

test("each row has a test of both sides, and no test names a row that is not there", () => {
  const tests = readdirSync(TEST, { recursive: true })
    .map(String)
    .filter((path) => path.endsWith(".test.ts"))
    .map(read);
  const named = tests.flatMap((text) =>
    [...text.matchAll(/\b(?:differs|difference)\(\s*"([a-z-]+)"/g)].map((match) => match[1] ?? ""),
  );
  const ids = DIFFERENCES.map(({ id }) => id);
  expect(ids.filter((id) => !named.includes(id))).toEqual([]);
  expect(named.filter((id) => !ids.some((one) => one === id))).toEqual([]);
});

test("no two rows have the same id, and no cell is empty or of several lines", () => {
  const ids = DIFFERENCES.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const cells = DIFFERENCES.flatMap(({ kexecTools, onekexec, why }) => [kexecTools, onekexec, why]);
  expect(cells.filter((cell) => cell.trim() === "" || cell.includes("\n"))).toEqual([]);
});

describe("the table", () => {
  test("a bar in a cell does not end it", () => {
    const table = differencesTable([{ id: "x", kexecTools: "a|b", onekexec: "c", why: "d" }]);
    expect(table.split("\n").at(-1)).toBe("| a\\|b | c | d |");
  });

  test("a README without its marks is refused", () => {
    expect(() => withDifferences("nothing")).toThrow("end of differences");
  });
});
