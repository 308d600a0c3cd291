/**
 * A directory in which everything lies that has ever made a runtime do something: settings,
 * environment files, packages, libraries. Whatever of it takes effect leaves a mark.
 */

import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "./built-file.ts";

export interface HostileDirectory {
  readonly path: string;
  /** Did anything of it take effect since `reset`? A file made in it counts too. */
  effects(): string[];
  reset(): void;
}

const BUNFIG = `
preload = ["./evil.ts"]
logLevel = "debug"
[run]
preload = ["./evil.ts"]
bun = true
[test]
preload = ["./evil.ts"]
[define]
"process.argv" = "[]"
[serve.static]
plugins = ["./evil.ts"]
`;

/** Each alone is an exploit where it is read. */
function environmentFile(directory: string): string {
  return [
    `BUN_OPTIONS=--preload ${directory}/evil.ts`,
    `BUN_INSPECT_PRELOAD=${directory}/evil.ts`,
    "BUN_BE_BUN=1",
    "BUN_JSC_useJIT=0",
    `NODE_OPTIONS=--require ${directory}/evil.js`,
    `LD_PRELOAD=${directory}/libc.so.6`,
    "POSIXLY_CORRECT=1",
    "PATH=.",
    "",
  ].join("\n");
}

const EVIL_PACKAGES = ["citty", "zod", "zod/mini", "bun", "bun:ffi", "node:fs", "fs"];

/** Names that a kexec may look for, and one that cannot exist: for the proof that it is live. */
const EVIL_LIBRARIES = [
  "libxenctrl.so",
  "libxenctrl.so.4.17",
  "liblzma.so.5",
  "libc.so.6",
  "libdl.so.2",
  "libz.so.1",
  "libonekexec-control.so",
];

/** Plants it at `path`; `mark` is the file whose existence means that some of it took effect. */
export function plantHostileDirectory(path: string, mark: string): HostileDirectory {
  mkdirSync(path, { recursive: true });
  const plant = (name: string, text: string): void => writeFileSync(join(path, name), text);
  const evil = `require("node:fs").writeFileSync(${JSON.stringify(mark)}, "");\n`;

  for (const name of ["evil.ts", "evil.js", "index.ts", "index.js", "main.ts", "kexec.ts"]) {
    plant(name, evil);
  }
  for (const name of ["bunfig.toml", ".bunfig.toml", "other.toml"]) plant(name, BUNFIG);
  for (const name of [".env", ".env.local", ".env.production", ".env.development", ".env.test"]) {
    plant(name, environmentFile(path));
  }
  const names = { name: "kexec", main: "./evil.ts", imports: { "#*": "./evil.ts" } };
  plant("package.json", JSON.stringify({ ...names, scripts: { kexec: `touch ${mark}` } }));
  const paths = { "*": ["./evil.ts"], citty: ["./evil.ts"], "zod/mini": ["./evil.ts"] };
  const compilerOptions = { baseUrl: ".", paths, jsx: "react-jsx", jsxImportSource: "./evil" };
  for (const name of ["tsconfig.json", "jsconfig.json"]) {
    plant(name, JSON.stringify({ compilerOptions, extends: "./evil.json" }));
  }
  for (const name of EVIL_PACKAGES) {
    const folder = join(path, "node_modules", name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name, main: "index.js" }));
    writeFileSync(join(folder, "index.js"), evil);
  }
  for (const name of EVIL_LIBRARIES) {
    compile("hostile-library", path, ["-shared", "-fPIC", `-DMARK="${mark}"`], name);
  }
  const planted = new Set(readdirSync(path));
  const added = (): string[] => readdirSync(path).filter((name) => !planted.has(name));
  return {
    path,
    effects: () => [...(existsSync(mark) ? [mark] : []), ...added()],
    reset() {
      rmSync(mark, { force: true });
      for (const name of added()) rmSync(join(path, name), { recursive: true });
    },
  };
}
