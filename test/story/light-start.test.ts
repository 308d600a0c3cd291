/** What the program loads before it knows what is asked: `-S` and `-u` wait for all of it. */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const SRC = join(import.meta.dir, "../../src");

/** The files and packages that `path` imports when it is loaded; types are gone by then. */
function importsOf(path: string): string[] {
  const statements = readFileSync(path, "utf8").matchAll(
    /^(?:import|export) (?!type\b)(?:[^;]*? from )?"([^"]+)"/gm,
  );
  return [...statements].map(([, name = ""]) =>
    name.startsWith(".") ? join(dirname(path), name) : name,
  );
}

/** All that is loaded with `path`, by its name below src/. */
function loadedWith(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  if (path.endsWith(".ts")) for (const one of importsOf(path)) loadedWith(one, seen);
  return seen;
}

const namesBelowSrc = (start: string) =>
  [...loadedWith(join(SRC, start))].map((path) => path.replace(`${SRC}/`, ""));

const HEAVY =
  /^zod|^arch\/index\.ts|^image\/|\/image\/|purgatory|^plan\/|^facts\/|^edge\/|^wrapper\//;

test.each(["story/kexec.ts", "story/run.ts"])(
  "%s loads neither zod nor images, purgatory, plans or facts",
  (start) => {
    expect(namesBelowSrc(start).filter((name) => HEAVY.test(name))).toEqual([]);
  },
);

test("the check sees what is loaded", () => {
  const names = namesBelowSrc("story/kexec.ts");
  expect(names).toContain("arch/x86-64/options.ts");
  expect(names).toContain("citty");
  const heavy = namesBelowSrc("story/load.ts").filter((name) => HEAVY.test(name));
  expect(heavy).toContain("arch/index.ts");
  expect(namesBelowSrc("story/save-facts.ts")).toContain("zod/mini");
});
