/**
 * Builds dist/kexec, the one executable.
 *
 *     bun scripts/build.ts [--force] [--twice]
 *
 * Nothing is done where neither the sources nor dist/kexec changed since the last build; --force
 * builds all the same. --twice builds a copy of the sources in another directory too and ends with
 * status 1 unless both are the same bytes. The executable survives strip: see program-pointer.ts.
 */

import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { humanSize } from "../src/core/address.ts";
import { Problem, problemText, runCommand } from "./command.ts";
import { coverProgramPointer } from "./program-pointer.ts";

const ROOT = join(import.meta.dir, "..");
const DIST = join(ROOT, "dist");
export const KEXEC = join(DIST, "kexec");
const STAMP = join(DIST, ".kexec-build.json");

/** What the executable is made of, besides the runtime. */
const INPUTS = [
  "src",
  "package.json",
  "bun.lock",
  "tsconfig.json",
  "scripts/build.ts",
  "scripts/program-pointer.ts",
];

/**
 * The runtime reads no file of the working directory and no BUN_OPTIONS: the last flag ends the
 * runtime's own options before any that come from outside.
 */
const SEALED = [
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  "--no-compile-autoload-tsconfig",
  "--no-compile-autoload-package-json",
  "--compile-exec-argv=--",
];
/**
 * Most runs end after some milliseconds: code runs eight times as often as usual before the runtime
 * compiles it, and small files that need no other are joined.
 */
const QUICK = ["--compile-jit-policy=8", "--min-chunk-size=65536"];
/** Split, because `-v` and `-h` must not wait until what they do not use is read. */
const FLAGS = [
  ...["--compile", "--minify", "--bytecode", "--format=esm", "--splitting"],
  ...QUICK,
  ...SEALED,
];

export interface Build {
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  readonly sha256: string;
  /** False where the one that was there is still right. */
  readonly fresh: boolean;
}

interface Stamp {
  readonly inputs: string;
  readonly sha256: string;
}

function sha256OfFile(path: string): string {
  return new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
}

function filesBelow(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesBelow(join(path, name)));
}

/** One digest of the names and bytes of all inputs, and of the runtime's version. */
function hashInputs(): string {
  const hasher = new Bun.CryptoHasher("sha256").update(`${Bun.version} ${Bun.revision}\n`);
  for (const path of INPUTS.flatMap((name) => filesBelow(join(ROOT, name)))) {
    hasher.update(`${relative(ROOT, path)} ${sha256OfFile(path)}\n`);
  }
  return hasher.digest("hex");
}

function readStamp(): Stamp | null {
  if (!existsSync(STAMP) || !existsSync(KEXEC)) return null;
  try {
    return JSON.parse(readFileSync(STAMP, "utf8"));
  } catch {
    // A stamp that was cut short is no stamp.
    return null;
  }
}

/** Compiles `root`'s sources to `folder`/kexec. The name matters: it is part of the bytes. */
function compile(root: string, folder: string): string {
  const output = join(folder, "kexec");
  const main = join(root, "src", "main.ts");
  // The environment of whoever builds must not reach the bytes.
  const names = Object.keys(process.env).filter((name) => /^(BUN_|NODE_)/.test(name));
  const env = Object.fromEntries(names.map((name) => [name, undefined]));
  const command = [process.execPath, "build", ...FLAGS, main, "--outfile", output];
  runCommand("Compile src/main.ts", command, { cwd: root, env });
  writeFileSync(output, coverProgramPointer(new Uint8Array(readFileSync(output))));
  return output;
}

function inNewFolder<T>(parent: string, work: (folder: string) => T): T {
  const folder = mkdtempSync(join(parent, ".build-"));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function checkPurgatory(): void {
  const script = join(ROOT, "scripts", "purgatory.ts");
  if (!existsSync(script)) return;
  runCommand("Check the purgatory", [process.execPath, script, "check"], { cwd: ROOT });
}

/** `kexec -v` proves that the file starts, and that it is our program and not the bare runtime. */
function checkStarts(path: string): void {
  const step = `Run ${relative(ROOT, path)} -v`;
  const output = runCommand(step, [path, "-v"], { cwd: "/" });
  if (/onekexec/.test(output)) return;
  throw new Problem({ step, reason: `it printed ${JSON.stringify(output)}` });
}

/**
 * Makes dist/kexec what the sources say.
 * @throws Problem
 */
export function buildKexec({ force = false } = {}): Build {
  const inputs = hashInputs();
  const stamp = readStamp();
  const found = stamp === null ? null : sha256OfFile(KEXEC);
  if (!force && stamp?.inputs === inputs && stamp.sha256 === found) {
    return { path: KEXEC, size: statSync(KEXEC).size, sha256: found, fresh: false };
  }
  checkPurgatory();
  mkdirSync(DIST, { recursive: true });
  const sha256 = inNewFolder(DIST, (folder) => {
    const made = compile(ROOT, folder);
    checkStarts(made);
    const digest = sha256OfFile(made);
    renameSync(made, KEXEC);
    return digest;
  });
  writeFileSync(STAMP, `${JSON.stringify({ inputs, sha256 } satisfies Stamp)}\n`);
  return { path: KEXEC, size: statSync(KEXEC).size, sha256, fresh: true };
}

/** Builds a copy of the sources elsewhere and compares. @throws Problem where the bytes differ */
export function checkReproducible(build: Build): void {
  const other = inNewFolder(tmpdir(), (folder) => {
    const root = join(folder, "another", "place");
    for (const name of INPUTS) cpSync(join(ROOT, name), join(root, name), { recursive: true });
    // Copies, not links: the bundler names the pieces by where their modules really lie.
    for (const name of Object.keys(packageJson.dependencies)) {
      const folder = join("node_modules", name);
      cpSync(join(ROOT, folder), join(root, folder), { recursive: true });
    }
    return sha256OfFile(compile(root, folder));
  });
  if (other === build.sha256) return;
  throw new Problem({
    step: "Build twice, in two directories",
    reason: `the bytes differ:\n${build.sha256}  dist/kexec\n${other}  the other`,
  });
}

function main(words: readonly string[]): void {
  const unknown = words.find((word) => word !== "--force" && word !== "--twice");
  if (unknown !== undefined) {
    throw new Problem({
      step: "Read the command line",
      reason: `unknown word ${JSON.stringify(unknown)}`,
      advice: "bun scripts/build.ts [--force] [--twice]",
    });
  }
  const build = buildKexec({ force: words.includes("--force") });
  const what = build.fresh ? "built" : "unchanged";
  process.stdout.write(
    `dist/kexec  ${what}, ${humanSize(build.size)} (${build.size} bytes)\n` +
      `sha256      ${build.sha256}\n`,
  );
  if (!words.includes("--twice")) return;
  checkReproducible(build);
  process.stdout.write("twice       the same bytes from another directory\n");
}

if (import.meta.main) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${problemText(error)}\n`);
    process.exit(1);
  }
}
