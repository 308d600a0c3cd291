/**
 * The rules of the house, as tests: who may import whom, how long things may be, and words that may
 * not appear. If a rule makes code worse, change the rule here and say why.
 */

import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const ROOT = join(import.meta.dir, "..");
const FUNCTION_LINES = 70;
const FILE_LINES = 400;
const COLUMNS = 100;

const tracked = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { cwd: ROOT })
  .toString()
  .split("\n")
  .filter((path) => path !== "" && existsSync(join(ROOT, path)));
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const sources = tracked.filter((path) => /^(src|test|scripts)\/.*\.(ts|mjs)$/.test(path));
/** Written by scripts/purgatory.ts, not by people. */
const GENERATED = /^src\/arch\/[^/]+\/purgatory\/blob\.ts$/;
const written = sources.filter((path) => !GENERATED.test(path));
/** One table is read and searched as one, however many rows it has. */
const TABLES = ["test/conformance/differences.ts"];

/** What folders take from outside, besides what the map lets them import. */
const PACKAGES: Record<string, readonly string[]> = {
  cli: ["citty", "package.json"],
  facts: ["zod/mini"],
  plan: ["zod/mini"],
  wrapper: ["node:zlib", "seek-bzip"],
  "arch/x86-64": ["package.json"],
  "edge/ffi": ["bun:ffi", "node:fs"],
  "edge/files": ["node:fs"],
  "edge/process": ["node:fs"],
  "edge/linux": ["bun:ffi", "node:fs", "node:os"],
  "edge/xen": ["bun:ffi", "node:fs", "node:os"],
};
/** The only file outside an architecture's folder that imports from it, past its door. */
const READER = /^src\/edge\/linux\/(x86-64|arm64)\.ts$/;

/** The map of src/README.md: folder → folders that its files may import, besides itself. */
function mapOfReadme(): Map<string, readonly string[]> {
  const rows = [...read("src/README.md").matchAll(/^\| `([\w/.-]+)` \|.*\| ([^|]+) \|$/gm)];
  const map = new Map<string, readonly string[]>();
  for (const [, cell = "", may = ""] of rows) {
    const folder = cell.replace(/\/$|\/index\.ts$|\.ts$/g, "");
    const same = /^as (\S+)$/.exec(may)?.[1];
    const own = may === "nothing" ? [] : may.split(", ");
    map.set(folder, same === undefined ? own : (map.get(same) ?? []));
  }
  return map;
}

const MAP = mapOfReadme();

/** The row of the map that a file of src/ belongs to: the longest that is a beginning of it. */
function ringOf(path: string): string {
  const file = path.replace(/\.ts$/, "");
  if (/^plan\//.test(path)) return "plan";
  const rows = [...MAP.keys()].filter((row) => file === row || file.startsWith(`${row}/`));
  return rows.toSorted((a, b) => b.length - a.length)[0] ?? "";
}

const scanner = new Bun.Transpiler({ loader: "ts" });

/** Every import of a file, types included: a path, or a package. */
function importsOf(path: string): string[] {
  const text = read(path)
    .replace(/\bimport type\b/g, "import")
    .replace(/([{,]\s*)type /g, "$1");
  const dynamic = scanner.scanImports(text).map((i) => i.path);
  const fixed = [...text.matchAll(/^(?:import|export)[^;]*? from "([^"]+)"/gm)].map(
    (m) => m[1] ?? "",
  );
  return [...new Set([...dynamic, ...fixed])].map((name) => {
    if (!name.startsWith(".")) return name;
    const target = relative(join(ROOT, "src"), join(ROOT, dirname(path), name));
    return target.startsWith("..") ? (name.split("/").at(-1) ?? name) : `src/${target}`;
  });
}

const sourceFiles = tracked.filter((path) => /^src\/.*\.ts$/.test(path));

function wrongImports(path: string): string[] {
  const ring = ringOf(relative("src", path));
  const allowed = MAP.get(ring);
  if (allowed === undefined) return [`${path}: no row for it in src/README.md's map`];
  return importsOf(path)
    .filter((name) => {
      if (!name.startsWith("src/")) return !(PACKAGES[ring] ?? []).includes(name);
      const target = ringOf(relative("src", name));
      const isOwn = READER.test(path) && target.startsWith("arch/");
      return target !== ring && !allowed.includes(target) && !isOwn;
    })
    .map((name) => `${path} must not import ${name}`);
}

/** Files that import themselves by way of others, each with the way. */
function circles(): string[] {
  const imports = new Map(sourceFiles.map((path) => [path, importsOf(path)]));
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    const at = way.indexOf(path);
    if (at >= 0) found.push([...way.slice(at), path].join(" -> "));
    if (at >= 0 || done.has(path)) return;
    for (const next of imports.get(path) ?? []) visit(next, [...way, path]);
    done.add(path);
  };
  for (const path of sourceFiles) visit(path, []);
  return found;
}

describe("imports", () => {
  test("are those of the map in src/README.md", () => {
    expect(sourceFiles.flatMap(wrongImports)).toEqual([]);
  });

  test("the check sees the map, and imports at all", () => {
    expect(MAP.get("core")).toEqual([]);
    expect(MAP.get("plan/crash")).toContain("facts");
    expect(importsOf("src/plan/build-plan.ts")).toContain("src/arch/index.ts");
    expect(importsOf("src/model/host-facts.ts")).toContain("src/core/range.ts");
  });

  test("have no circle", () => {
    expect(circles()).toEqual([]);
  });
});

/** Lines that open a function, and its length, found by the formatter's indentation. */
function longFunctions(path: string): string[] {
  const lines = read(path).split("\n");
  const before = String.raw`^\s*(?:export |default |async |static |get |set |#)*`;
  const opens = new RegExp(String.raw`${before}(?:function\b.*|#?\w+\(.*\).*|.*=> )\{$`);
  return lines.flatMap((line, start) => {
    if (!opens.test(line) || /^\s*(?:if|for|while|switch|catch|describe|test)\b/.test(line))
      return [];
    if (/^\s*(?:describe|test)[.(]/.test(line)) return [];
    const indent = line.match(/^\s*/)?.[0] ?? "";
    const end = lines.findIndex((l, i) => i > start && l.startsWith(`${indent}}`));
    const length = end - start + 1;
    return length > FUNCTION_LINES ? [`${path}:${start + 1} has ${length} lines`] : [];
  });
}

describe("sizes", () => {
  test(`functions have at most ${FUNCTION_LINES} lines`, () => {
    expect(written.flatMap(longFunctions)).toEqual([]);
  });

  test(`files have at most ${FILE_LINES} lines of at most ${COLUMNS} columns`, () => {
    const wrong = written.flatMap((path) => {
      const lines = read(path).split("\n");
      const wide = lines.flatMap((line, i) =>
        line.length > COLUMNS && !/https?:|^\s*["'`]|^\s*(?:\*|\/\/) *\S+$/.test(line)
          ? [`${path}:${i + 1} has ${line.length} columns`]
          : [],
      );
      const long = lines.length > FILE_LINES && !TABLES.includes(path);
      return long ? [`${path} has ${lines.length} lines`, ...wide] : wide;
    });
    expect(wrong).toEqual([]);
  });
});

/** Only the edge touches the world; pure code has neither clock nor chance. Digests are
 * computation, whoever does it. */
const WORLD =
  /\bprocess\.|\bDate\b|Math\.random|\bBun\.(?!CryptoHasher|hash\b)|\bfetch\(|\bsetTimeout\b/;

/**
 * What reads a text as Unicode's: 0xa0 is a blank to all of these, and 0xc0 a capital letter. Texts
 * here are bytes. A number is BigInt's or C's strtoul's, once its digits are looked at.
 */
const UNICODE = new RegExp(
  [
    ...[String.raw`\.trim(?:Start|End|Left|Right)?\(`, String.raw`\bIntl\.`],
    ...[String.raw`\.to(?:Locale)?(?:Lower|Upper)Case\(`, String.raw`\.localeCompare\(`],
    ...[String.raw`\bparse(?:Int|Float)\(`, String.raw`/.*\\[sS].*/`],
    // Of what may be a text.
    String.raw`\bNumber\((?:\w*(?:[Tt]ext|digits|[Nn]ame|line|word|string)|[ab])\b`,
  ].join("|"),
);

/**
 * What needs ICU, whose data the runtime reads when one of these is called first: it takes up to
 * 2 ms, and pages of the executable that no start without them touches.
 */
const ICU = /\bIntl\b|\.localeCompare\(|\.toLocale\w*\(|\.normalize\(/;

/** Words of one architecture, and who besides its folder may say them, and why. */
const X86_WORDS = /\b(?:bzImage\w*|zImage|e820\w*|E820\w*|EDD|setup_data)\b|\b[Rr]eal[- ]mode\b/;
const MAY_SAY_X86 = [
  // What users type and read, and what the kernel's files are called.
  /^src\/(cli|facts)\//,
  // The vocabulary's parts that are x86_64's: a union's members and a table's names.
  /^src\/model\/(x86-64|entry-state|load-plan)\.ts$/,
  /^src\/core\/error-code\.ts$/,
  // Its reader, and Xen's own hypercall interface, whose memory map has E820 entries.
  /^src\/edge\/linux\/x86-64\.ts$/,
  /^src\/edge\/xen\//,
];

describe("words", () => {
  test("pure code does not touch the world", () => {
    const wrong = tracked
      .filter((path) => /^src\/.*\.ts$/.test(path) && !/^src\/(edge\/|main\.ts)/.test(path))
      .flatMap((path) =>
        read(path)
          .split("\n")
          .map((line) => line.replace(/\/\/.*|^\s*\*.*|\/\*\*.*/, ""))
          .flatMap((line, i) => (WORLD.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
      );
    expect(wrong).toEqual([]);
  });

  test("bytes are not read as Unicode", () => {
    const code = (line: string) => line.replace(/\/\/.*|^\s*\/?\*.*/, "");
    const wrong = sourceFiles.flatMap((path) =>
      read(path)
        .split("\n")
        .flatMap((line, i) => (UNICODE.test(code(line)) ? [`${path}:${i + 1}: ${line}`] : [])),
    );
    expect(wrong).toEqual([]);
    for (const bad of ["a.trim()", "x = /^\\s+/", "t.toLowerCase()", "Number(text)", "Number(a)"]) {
      expect(UNICODE.test(bad)).toBe(true);
    }
    for (const good of ["trimmed(a)", "Number(start - a)", "range.start", "// a.trim()"]) {
      expect(UNICODE.test(code(good))).toBe(false);
    }
  });

  test("nothing needs ICU", () => {
    const code = (line: string) => line.replace(/\/\/.*|^\s*\/?\*.*/, "");
    const wrong = sourceFiles.flatMap((path) =>
      read(path)
        .split("\n")
        .flatMap((line, i) => (ICU.test(code(line)) ? [`${path}:${i + 1}: ${line}`] : [])),
    );
    expect(wrong).toEqual([]);
    for (const bad of ["new Intl.Collator()", "a.localeCompare(b)", "n.toLocaleString()"]) {
      expect(ICU.test(bad)).toBe(true);
    }
    expect(ICU.test("text.normalize(form)")).toBe(true);
    expect(ICU.test("normalize(ranges)")).toBe(false);
  });

  test("no escape from the type checker, no unfinished marks", () => {
    const banned = new RegExp(
      ["as unknown as", "@ts-" + "ignore", "\\bTO" + "DO\\b", "\\bFIX" + "ME\\b"].join("|"),
    );
    const wrong = written
      .filter((path) => path !== "test/tidy.test.ts")
      .flatMap((path) =>
        read(path)
          .split("\n")
          .flatMap((line, i) => (banned.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
      );
    expect(wrong).toEqual([]);
  });

  test("of x86 stand in its folder", () => {
    const wrong = sourceFiles
      .filter((path) => !path.startsWith("src/arch/x86-64/"))
      .filter((path) => !MAY_SAY_X86.some((pattern) => pattern.test(path)))
      .flatMap((path) =>
        read(path)
          .split("\n")
          .flatMap((line, i) => (X86_WORDS.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
      );
    expect(wrong).toEqual([]);
  });

  test("the lock file names no host", () => {
    expect(read("bun.lock")).not.toContain("://");
  });
});

describe("files", () => {
  // Files of types say what a library has that comes without any; nothing imports them.
  test("every source file but the program's start is imported by another", () => {
    const imported = new Set(
      sources.flatMap((path) =>
        [...read(path).matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)].map((m) =>
          relative(ROOT, join(ROOT, dirname(path), m[1] ?? "")),
        ),
      ),
    );
    const dead = tracked.filter(
      (path) => /^src\/.*(?<!\.d)\.ts$/.test(path) && path !== "src/main.ts" && !imported.has(path),
    );
    expect(dead).toEqual([]);
  });

  test("no tracked file is large", () => {
    const large = tracked.filter((path) => readFileSync(join(ROOT, path)).length > 300_000);
    expect(large).toEqual([]);
  });
});
