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

/** folder → folders (or packages) that its files may import, besides itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  core: [],
  model: ["core", "zod/mini"],
  // The option rows of architectures come through arch/options.ts, which imports nothing else.
  cli: ["core", "model", "arch", "citty", "package.json"],
  facts: ["core", "model", "zod/mini", "arch/x86-64"],
  vmcore: ["core"],
  wrapper: ["core", "node:zlib", "seek-bzip"],
  purgatory: ["core", "model"],
  image: ["core", "model", "arch/x86-64"],
  "arch/x86-64": ["core", "model", "facts", "image", "purgatory", "package.json"],
  arch: ["core", "model", "arch/x86-64"],
  plan: ["core", "model", "facts", "image", "arch", "zod/mini", "arch/x86-64"],
  story: ["core", "model", "arch", "cli", "facts", "plan", "image", "vmcore", "wrapper"],
  "edge/ffi": ["core", "bun:ffi", "node:fs"],
  "edge/files": ["core", "model", "edge/ffi", "edge/process", "node:fs"],
  "edge/process": ["core", "model", "cli", "edge/ffi", "edge/files", "node:fs", "node:tty"],
  "edge/linux": [
    "core",
    "model",
    "facts",
    "arch/x86-64",
    "edge",
    "edge/ffi",
    "edge/files",
    "bun:ffi",
    "node:fs",
    "node:os",
  ],
  "edge/xen": [
    "core",
    "model",
    "facts",
    "edge",
    "edge/ffi",
    "edge/files",
    "bun:ffi",
    "node:fs",
    "node:os",
  ],
  edge: ["core", "model", "edge/ffi", "edge/files", "edge/process", "edge/linux", "edge/xen"],
  // main.ts joins the stories to the real world.
  "": ["core", "model", "cli", "story", "edge"],
};

function ringOf(path: string): string {
  const folder = dirname(path);
  if (folder === ".") return "";
  const parts = folder.split("/");
  const hasRooms = parts[0] === "edge" || parts[0] === "arch";
  return hasRooms ? parts.slice(0, 2).join("/") : (parts[0] ?? "");
}

const scanner = new Bun.Transpiler({ loader: "ts" });

/** Every import of a file, types included, as its ring or its package. */
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
    return target.startsWith("..") ? (name.split("/").at(-1) ?? name) : ringOf(target);
  });
}

describe("imports", () => {
  test("go only from the outer rings to the inner ones", () => {
    const wrong = tracked
      .filter((path) => /^src\/.*\.ts$/.test(path))
      .flatMap((path) => {
        const ring = ringOf(relative("src", path));
        const allowed = MAY_IMPORT[ring];
        if (allowed === undefined) return [`${path}: no rule for the folder ${ring}`];
        return importsOf(path)
          .filter((name) => name !== ring && !allowed.includes(name))
          .map((name) => `${path} must not import ${name}`);
      });
    expect(wrong).toEqual([]);
  });

  test("the check sees imports at all", () => {
    expect(importsOf("src/plan/build-plan.ts")).toContain("arch");
    expect(importsOf("src/model/host-facts.ts")).toContain("core");
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
