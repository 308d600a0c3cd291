/**
 * Builds the purgatories and proves that what is committed belongs together.
 *
 *   bun scripts/purgatory.ts build    compiles what there are compilers for; writes blob, listing,
 *                                     manifest and blob.ts
 *   bun scripts/purgatory.ts check    hashes against the manifest; where a compiler is present,
 *                                     compiles again; where it is the one that made the blob, the
 *                                     bytes must be the same
 *
 * `check` ends with status 1 and a sentence for each difference. It needs no compiler.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { hexOf } from "../src/core/bytes.ts";
import { sha256 } from "../src/core/digest.ts";
import type { Architecture } from "../src/model/architecture.ts";
import { type PurgatoryManifest, parseManifest } from "../src/purgatory/manifest.ts";
import { PARAMETERS_VERSION } from "../src/purgatory/parameters.ts";

export const SRC = join(import.meta.dir, "../src");

/** What all purgatories are made of, from src/; the rest is in the folder of the architecture. */
export const COMMON_FOLDER = "purgatory";

/** What a blob is made of. The TypeScript beside it fills its parameters in. */
const SOURCE = /\.(c|h|S|lds)$/;
const ALIGNMENT = 4096;
const PARAMETER_OFFSET = 0x10;

/** The second link goes here: above 4 GiB, so that no 32-bit address would fit. */
const OTHER_BASE = "0x123456789000";

/**
 * Compilers differ in what they do unasked, so every choice that changes the code is spelled out.
 * General registers only: between kernels nobody has set up the others. -O1, because it keeps
 * the accumulators of XXH64 in registers, and -O2 measured no faster on x86 hardware.
 */
const COMPILE_FLAGS = [
  ...["-std=gnu11", "-O1", "-Wall", "-Wextra", "-ffreestanding", "-fPIE", "-fvisibility=hidden"],
  ...["-mgeneral-regs-only", "-fno-stack-protector", "-fno-stack-clash-protection"],
  ...["-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fno-jump-tables", "-fno-lto"],
  ...["-fno-strict-aliasing", "-fno-common", "-fno-ident", "-fno-tree-loop-distribute-patterns"],
  "-g0",
];
const LINK_FLAGS = [
  ...["-static", "-nostdlib", "--build-id=none", "-z", "noexecstack", "--orphan-handling=error"],
];

/** A purgatory, by its architecture. */
export interface Target {
  readonly architecture: Architecture;
  /** From src/: its sources beyond `COMMON_FOLDER`'s, and where the results go. */
  readonly folder: string;
  /** What `gcc -dumpmachine` begins with, and what the names of its tools may begin with. */
  readonly machine: string;
  readonly prefixes: readonly string[];
  /** What its compiler takes beyond `COMPILE_FLAGS`. */
  readonly flags: readonly string[];
  /** The sections with code, and what objdump is told of that code. */
  readonly sections: Readonly<Record<string, readonly string[]>>;
  /** A line of the listing with an instruction that no purgatory may have. */
  readonly forbidden: RegExp;
  /** Object files may refer to each other only relatively to where they are. */
  readonly relocations: readonly string[];
}

/** One row for each architecture. */
export const TARGETS: readonly Target[] = [
  {
    architecture: "x86_64",
    folder: "arch/x86-64/purgatory",
    machine: "x86_64",
    prefixes: ["", "x86_64-linux-gnu-"],
    flags: [
      ...["-m64", "-march=x86-64", "-mtune=generic", "-mno-red-zone", "-fcf-protection=none"],
      ...["-mindirect-branch=keep", "-mfunction-return=keep"],
    ],
    sections: {
      ".text": ["-M", "x86-64"],
      ".text32": ["-M", "i386"],
      ".text16": ["-M", "i8086"],
    },
    // A vector or x87 register, or an instruction of those units without a register operand.
    forbidden: /%[xyzt]?mm\d|%st\b|\t(f[a-z]+|emms|ldmxcsr|stmxcsr|fx\w+|xsave\w*|xrstor\w*)\b/,
    relocations: ["R_X86_64_PC32", "R_X86_64_PLT32"],
  },
];

export class PurgatoryProblem extends Error {}

interface Tools {
  readonly prefix: string;
  readonly compiler: string;
  readonly linker: string;
}

interface Built {
  readonly blob: Uint8Array;
  readonly listing: string;
  readonly memorySize: number;
}

function run(command: readonly string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], {
    cwd: SRC,
    env: { ...process.env, LC_ALL: "C" },
  });
  if (exitCode === 0) return stdout.toString();
  throw new PurgatoryProblem(`${command.join(" ")}: exit status ${exitCode}\n${stderr}`);
}

/** What can make the target's code here; null where there is nothing. */
function findTools({ machine, prefixes }: Target): Tools | null {
  for (const prefix of prefixes) {
    const gcc = `${prefix}gcc`;
    if (["gcc", "ld", "objcopy"].some((tool) => Bun.which(prefix + tool) === null)) continue;
    if (!run([gcc, "-dumpmachine"]).startsWith(machine)) continue;
    const firstLine = (tool: string) => run([tool, "--version"]).split("\n")[0] ?? "";
    return { prefix, compiler: firstLine(gcc), linker: firstLine(`${prefix}ld`) };
  }
  return null;
}

/** Paths from `src`, in the order of the files' names, which does not depend on the file system. */
function sourcesOf(target: Target, src = SRC): string[] {
  return [COMMON_FOLDER, target.folder]
    .flatMap((folder) => readdirSync(join(src, folder)).map((name) => join(folder, name)))
    .filter((path) => SOURCE.test(path))
    .sort((a, b) => (basename(a) < basename(b) ? -1 : 1));
}

function checkRelocations({ relocations }: Target, readelf: string, object: string): void {
  for (const type of run([readelf, "-rW", object]).match(/\bR_[A-Z0-9]+_\w+/g) ?? []) {
    if (!relocations.includes(type)) {
      throw new PurgatoryProblem(`${object} has a relocation ${type}: not position-independent`);
    }
  }
}

function checkInstructions({ forbidden }: Target, listing: string): void {
  const line = listing.split("\n").find((text) => forbidden.test(text));
  if (line !== undefined) throw new PurgatoryProblem(`not a general register: ${line.trim()}`);
}

function stackEnd(nm: string, elf: string): number {
  const match = /^([0-9a-f]+) \w purgatory_stack_end$/m.exec(run([nm, elf]));
  if (match?.[1] === undefined) throw new PurgatoryProblem("no symbol purgatory_stack_end");
  return Number.parseInt(match[1], 16);
}

/** The listing without objdump's header, which names the input file. */
function disassemble({ sections }: Target, objdump: string, elf: string): string {
  const parts = Object.entries(sections).map(([section, options]) => {
    const text = run([objdump, "-d", "-j", section, ...options, "--no-show-raw-insn", elf]);
    return `${text.slice(text.indexOf("Disassembly")).trimEnd()}\n`;
  });
  return parts.join("\n");
}

function compileUnit(target: Target, prefix: string, unit: string, folder: string, strict: string) {
  const object = join(folder, basename(unit).replace(".", "-").concat(".o"));
  const include = [`-I${target.folder}`, `-I${COMMON_FOLDER}`];
  const flags = [...COMPILE_FLAGS, ...target.flags, ...include, strict];
  run([`${prefix}gcc`, ...flags, "-c", unit, "-o", object]);
  checkRelocations(target, `${prefix}readelf`, object);
  return object;
}

/** Compiles in `folder`, and checks what a flat blob must be. */
function compile(target: Target, prefix: string, folder: string, strict: string): Built {
  // purgatory.lds puts the entry first.
  const units = sourcesOf(target).filter((path) => /\.[cS]$/.test(path));
  const objects = units.map((unit) => compileUnit(target, prefix, unit, folder, strict));
  const script = join(target.folder, "purgatory.lds");
  const link = (base: string): string => {
    const elf = join(folder, `purgatory-${base}.elf`);
    run([`${prefix}ld`, ...LINK_FLAGS, "-T", script, `-Ttext=${base}`, "-o", elf, ...objects]);
    return elf;
  };
  const flat = (elf: string): Uint8Array => {
    run([`${prefix}objcopy`, "-O", "binary", elf, `${elf}.bin`]);
    return new Uint8Array(readFileSync(`${elf}.bin`));
  };
  const elf = link("0");
  const blob = flat(elf);
  if (!Buffer.from(blob).equals(flat(link(OTHER_BASE)))) {
    throw new PurgatoryProblem(`the blob differs when linked at ${OTHER_BASE}`);
  }
  const listing = disassemble(target, `${prefix}objdump`, elf);
  checkInstructions(target, listing);
  return { blob, listing, memorySize: stackEnd(`${prefix}nm`, elf) };
}

function compileInTemporaryFolder(
  target: Target,
  { prefix }: Tools,
  warnings: "error" | "ignore",
): Built {
  const folder = mkdtempSync(join(tmpdir(), "purgatory-"));
  try {
    return compile(target, prefix, folder, warnings === "error" ? "-Werror" : "-w");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const read = (path: string, src = SRC) => new Uint8Array(readFileSync(join(src, path)));
const digest = (bytes: Uint8Array) => hexOf(sha256(bytes));

/** The module that carries the blob in the executable. */
function blobModule(blob: Uint8Array): string {
  const lines =
    Buffer.from(blob)
      .toString("base64")
      .match(/.{1,96}/g) ?? [];
  return `/**
 * purgatory.bin as text, for the executable to carry. Written by scripts/purgatory.ts, whose
 * \`check\` holds it against purgatory.bin.
 */

const BASE64 = \`
${lines.join("\n")}
\`;

/** The blob's bytes, a new array each time. */
export function blob(): Uint8Array {
  return new Uint8Array(Buffer.from(BASE64, "base64"));
}
`;
}

/** Whether there were the tools to build it. */
function build(target: Target): boolean {
  const { architecture, folder } = target;
  const tools = findTools(target);
  if (tools === null) return false;
  const { blob, listing, memorySize } = compileInTemporaryFolder(target, tools, "error");
  const manifest: PurgatoryManifest = {
    architecture,
    version: PARAMETERS_VERSION,
    blobSize: blob.length,
    memorySize,
    alignment: ALIGNMENT,
    entryOffset: 0,
    parameterOffset: PARAMETER_OFFSET,
    compiler: tools.compiler,
    linker: tools.linker,
    sha256: digest(blob),
    listingSha256: digest(new TextEncoder().encode(listing)),
    sources: Object.fromEntries(sourcesOf(target).map((path) => [path, digest(read(path))])),
  };
  const write = (name: string, data: Uint8Array | string) =>
    writeFileSync(join(SRC, folder, name), data);
  write("purgatory.bin", blob);
  write("purgatory.lst", listing);
  write("blob.ts", blobModule(blob));
  write("manifest.json", `${JSON.stringify(manifest, null, 2)}\n`);
  return true;
}

function readManifest({ folder }: Target, src = SRC): PurgatoryManifest {
  return parseManifest(JSON.parse(readFileSync(join(src, folder, "manifest.json"), "utf8")));
}

/** Problems found by reading alone, a sentence each; none where all is well. */
export function checkFiles(target: Target, src = SRC): string[] {
  const manifest = readManifest(target, src);
  const own = (name: string) => join(target.folder, name);
  const blob = read(own("purgatory.bin"), src);
  const problems: string[] = [];
  const compare = (path: string, wanted: string | undefined) => {
    const found = digest(read(path, src));
    if (found !== wanted) problems.push(`${path}: SHA-256 ${found}, the manifest says ${wanted}`);
  };
  compare(own("purgatory.bin"), manifest.sha256);
  compare(own("purgatory.lst"), manifest.listingSha256);
  const present = sourcesOf(target, src);
  for (const path of present) compare(path, manifest.sources[path]);
  for (const name of Object.keys(manifest.sources)) {
    if (!present.includes(name)) problems.push(`${name}: in the manifest, but not there`);
  }
  if (blob.length !== manifest.blobSize) {
    problems.push(
      `${own("purgatory.bin")}: ${blob.length} bytes, the manifest says ${manifest.blobSize}`,
    );
  }
  if (new TextDecoder().decode(read(own("blob.ts"), src)) !== blobModule(blob)) {
    problems.push(`${own("blob.ts")} does not carry purgatory.bin`);
  }
  checkInstructions(target, new TextDecoder().decode(read(own("purgatory.lst"), src)));
  return problems;
}

/** Problems found by compiling, and a sentence that says what was compared. */
function checkCompiled(target: Target): { problems: string[]; note: string } {
  const tools = findTools(target);
  if (tools === null) {
    return { problems: [], note: `no ${target.architecture} compiler here: hashes only` };
  }
  const manifest = readManifest(target);
  const built = compileInTemporaryFolder(target, tools, "ignore");
  const same =
    digest(built.blob) === manifest.sha256 &&
    digest(new TextEncoder().encode(built.listing)) === manifest.listingSha256 &&
    built.memorySize === manifest.memorySize;
  const pinned = tools.compiler === manifest.compiler && tools.linker === manifest.linker;
  const name = `${tools.compiler}, ${tools.linker}`;
  if (same) return { problems: [], note: `${name}: builds the same bytes` };
  if (!pinned)
    return { problems: [], note: `${name}: builds, with other bytes (not the manifest's)` };
  return { problems: [`${name}: builds other bytes than the manifest says`], note: "" };
}

/** Where one cannot be built here, the others are, and a line says so. */
function buildAll(): void {
  const skipped = TARGETS.filter((target) => !build(target)).map((t) => t.architecture);
  if (skipped.length === 0) return;
  const missing = `no gcc and binutils for ${skipped.join(", ")} were found`;
  if (skipped.length === TARGETS.length) throw new PurgatoryProblem(missing);
  process.stderr.write(`purgatory: ${missing}\n`);
}

function main(command: string | undefined): number {
  if (command === "build") buildAll();
  else if (command !== "check") {
    process.stderr.write("usage: bun scripts/purgatory.ts build|check\n");
    return 2;
  }
  let failed = false;
  for (const target of TARGETS) {
    const { problems, note } = checkCompiled(target);
    problems.unshift(...checkFiles(target));
    for (const problem of problems) process.stderr.write(`purgatory: ${problem}\n`);
    if (problems.length > 0) failed = true;
    else process.stdout.write(`purgatory: ${target.architecture}: ok. ${note}\n`);
  }
  if (failed) {
    process.stderr.write("purgatory: run `bun scripts/purgatory.ts build` after a change\n");
  }
  return failed ? 1 : 0;
}

if (import.meta.main) {
  try {
    process.exitCode = main(process.argv[2]);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    process.stderr.write(`purgatory: ${error.message}\n`);
    process.exitCode = 1;
  }
}
