/** What the program loads before it knows what is asked: `-S` and `-u` wait for all of it. */

import { describe, expect, test } from "bun:test";
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
  expect(names).not.toContain("citty");
  expect(namesBelowSrc("cli/command.ts")).toContain("citty");
  const heavy = namesBelowSrc("story/load.ts").filter((name) => HEAVY.test(name));
  expect(heavy).toContain("arch/index.ts");
  expect(namesBelowSrc("story/save-facts.ts")).toContain("zod/mini");
});

/** A file of the bundle: the source files in it, and the files that are loaded with it. */
interface Chunk {
  readonly sources: readonly string[];
  readonly loads: readonly string[];
}

/** The bundle as scripts/build.ts splits it, and the file of each source that is imported late. */
async function bundle(): Promise<{
  readonly chunks: ReadonlyMap<string, Chunk>;
  readonly entries: ReadonlyMap<string, string>;
}> {
  const { metafile } = await Bun.build({
    entrypoints: [join(SRC, "main.ts")],
    ...{ target: "bun", format: "esm", minify: true, splitting: true, minChunkSize: 65536 },
    // The executable's first file has such a name as well: no other program can load it twice.
    naming: { entry: "[name]-[hash].[ext]" },
    metafile: true,
  });
  const outputs = Object.entries(metafile?.outputs ?? {});
  const nameOf = (path: string) => path.replace(/^.*\bsrc\//, "");
  const chunks = outputs.map(([path, { inputs, imports }]): [string, Chunk] => [
    path,
    {
      sources: Object.keys(inputs).map(nameOf),
      loads: imports.filter(({ kind }) => kind === "import-statement").map((one) => one.path),
    },
  ]);
  const entries = outputs.flatMap(([path, { entryPoint }]): [string, string][] =>
    entryPoint === undefined ? [] : [[nameOf(entryPoint), path]],
  );
  return { chunks: new Map(chunks), entries: new Map(entries) };
}

describe("the bundle", async () => {
  const { chunks, entries } = await bundle();

  /** The files of the bundle that are loaded with these sources. */
  function loaded(...starts: readonly string[]): Set<string> {
    const seen = new Set<string>();
    const visit = (path: string): void => {
      if (seen.has(path)) return;
      seen.add(path);
      chunks.get(path)?.loads.forEach(visit);
    };
    for (const start of starts) visit(entries.get(start) ?? start);
    return seen;
  }
  const sourcesIn = (files: ReadonlySet<string>): string[] =>
    [...files].flatMap((file) => chunks.get(file)?.sources ?? []);

  test("has all of -v in one file", () => {
    expect([...loaded("main.ts")]).toEqual([entries.get("main.ts") ?? ""]);
  });

  const FACTS = /^arch\/x86-64\/facts|^facts\/(?:iomem|firmware-memmap|efi|kernel-text|kho)\.ts$/;
  const UNUSED = [
    FACTS,
    /zod/,
    /^arch\/index\.ts$/,
    /^plan\//,
    /^wrapper\//,
    /^edge\/xen\/(?!decide|read-hyp)/,
  ];

  test("loads neither facts nor Xen nor plans nor zod for -S, -u and -e", () => {
    const sources = sourcesIn(
      loaded("main.ts", "story/kexec.ts", "story/run.ts", "edge/real-world.ts"),
    );
    expect(sources).toContain("edge/linux/backend.ts");
    expect(sources.filter((name) => UNUSED.some((one) => one.test(name)))).toEqual([]);
  });

  test("loads neither the world nor its readers for -h", () => {
    const sources = sourcesIn(loaded("main.ts", "story/kexec.ts", "story/text.ts"));
    expect(sources).toContain("cli/options.ts");
    expect(sources.filter((name) => /^edge\/(?:linux|xen|ffi\/lib)|zod/.test(name))).toEqual([]);
  });

  test("the check sees what a load needs", () => {
    const sources = sourcesIn(loaded("story/load.ts", "edge/linux/read-facts.ts"));
    for (const one of UNUSED.filter((pattern) => !/zod|wrapper|xen/.test(pattern.source))) {
      expect(sources.some((name) => one.test(name))).toBe(true);
    }
    expect(sourcesIn(loaded("facts/facts-file.ts")).some((name) => /zod/.test(name))).toBe(true);
  });
});
