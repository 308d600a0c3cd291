/**
 * Builds the purgatory and proves that what is committed belongs together.
 *
 *   bun scripts/purgatory.ts build    compiles; writes blob, listing, manifest and blob.ts
 *   bun scripts/purgatory.ts check    hashes against the manifest; where a compiler is present,
 *                                     compiles again; where it is the one that made the blob, the
 *                                     bytes must be the same
 *
 * `check` ends with status 1 and a sentence for each difference. It needs no compiler.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PARAMETERS_VERSION } from "../src/arch/x86-64/purgatory/parameters.ts";
import { hexOf } from "../src/core/bytes.ts";
import { sha256 } from "../src/core/digest.ts";
import { type PurgatoryManifest, parseManifest } from "../src/purgatory/manifest.ts";

export const PURGATORY_FOLDER = join(import.meta.dir, "../src/arch/x86-64/purgatory");

/** What the blob is made of. The TypeScript beside it fills its parameters in. */
const SOURCE = /\.(c|h|S|lds)$/;
const ALIGNMENT = 4096;
const PARAMETER_OFFSET = 0x10;

/** The second link goes here: above 4 GiB, so that no 32-bit address would fit. */
const OTHER_BASE = "0x123456789000";

/**
 * Compilers differ in what they do unasked, so every choice that changes the code is spelled out.
 * General registers only: between kernels nobody has set up SSE. -O1, because with the SHA-256
 * routine's unrolled rounds -O2 measured no faster on hardware and a fifth slower under emulation,
 * where its extra spills of registers cost most.
 */
const COMPILE_FLAGS = [
  ...["-std=gnu11", "-O1", "-m64", "-march=x86-64", "-mtune=generic", "-Wall", "-Wextra"],
  ...["-ffreestanding", "-fPIE", "-fvisibility=hidden", "-mno-red-zone", "-mgeneral-regs-only"],
  ...["-fno-stack-protector", "-fno-stack-clash-protection", "-fcf-protection=none"],
  ...["-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fno-jump-tables", "-fno-lto"],
  ...["-fno-strict-aliasing", "-fno-common", "-fno-ident", "-fno-tree-loop-distribute-patterns"],
  ...["-mindirect-branch=keep", "-mfunction-return=keep", "-g0"],
];
const LINK_FLAGS = [
  ...["-static", "-nostdlib", "--build-id=none", "-z", "noexecstack", "--orphan-handling=error"],
  ...["-T", "purgatory.lds"],
];

export class PurgatoryProblem extends Error {}

interface Tools {
  readonly gcc: string;
  readonly compiler: string;
  readonly linker: string;
}

interface Built {
  readonly blob: Uint8Array;
  readonly listing: string;
  readonly memorySize: number;
}

function run(command: readonly string[], cwd = PURGATORY_FOLDER): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], {
    cwd,
    env: { ...process.env, LC_ALL: "C" },
  });
  if (exitCode === 0) return stdout.toString();
  throw new PurgatoryProblem(`${command.join(" ")}: exit status ${exitCode}\n${stderr}`);
}

/** The compiler that can make x86_64 code here; null where there is none. */
function findTools(): Tools | null {
  for (const prefix of ["", "x86_64-linux-gnu-"]) {
    const gcc = `${prefix}gcc`;
    if (["gcc", "ld", "objcopy"].some((tool) => Bun.which(prefix + tool) === null)) continue;
    if (!run([gcc, "-dumpmachine"]).startsWith("x86_64")) continue;
    const firstLine = (tool: string) => run([tool, "--version"]).split("\n")[0] ?? "";
    return { gcc, compiler: firstLine(gcc), linker: firstLine(`${prefix}ld`) };
  }
  return null;
}

function sourceNames(folder = PURGATORY_FOLDER): string[] {
  return readdirSync(folder)
    .filter((name) => SOURCE.test(name))
    .sort();
}

/** Object files may refer to each other only relatively to where they are. */
function checkRelocations(readelf: string, object: string): void {
  for (const type of run([readelf, "-rW", object]).match(/R_X86_64_\w+/g) ?? []) {
    if (type !== "R_X86_64_PC32" && type !== "R_X86_64_PLT32") {
      throw new PurgatoryProblem(`${object} has a relocation ${type}: not position-independent`);
    }
  }
}

/** A vector or x87 register, or an instruction of those units without a register operand. */
const FORBIDDEN = /%[xyzt]?mm\d|%st\b|\t(f[a-z]+|emms|ldmxcsr|stmxcsr|fx\w+|xsave\w*|xrstor\w*)\b/;

function checkInstructions(listing: string): void {
  const line = listing.split("\n").find((text) => FORBIDDEN.test(text));
  if (line !== undefined) throw new PurgatoryProblem(`not a general register: ${line.trim()}`);
}

function stackEnd(nm: string, elf: string): number {
  const match = /^([0-9a-f]+) \w purgatory_stack_end$/m.exec(run([nm, elf]));
  if (match?.[1] === undefined) throw new PurgatoryProblem("no symbol purgatory_stack_end");
  return Number.parseInt(match[1], 16);
}

/** The sections with code, and what their code is to objdump. */
const CODE = { ".text": "x86-64", ".text32": "i386", ".text16": "i8086" } as const;

/** The listing without objdump's header, which names the input file. */
function disassemble(objdump: string, elf: string): string {
  const parts = Object.entries(CODE).map(([section, machine]) => {
    const text = run([objdump, "-d", "-j", section, "-M", machine, "--no-show-raw-insn", elf]);
    return `${text.slice(text.indexOf("Disassembly")).trimEnd()}\n`;
  });
  return parts.join("\n");
}

function link(prefix: string, objects: string[], base: string, folder: string): string {
  const elf = join(folder, `purgatory-${base}.elf`);
  run([`${prefix}ld`, ...LINK_FLAGS, `-Ttext=${base}`, "-o", elf, ...objects]);
  return elf;
}

function flatten(prefix: string, elf: string): Uint8Array {
  run([`${prefix}objcopy`, "-O", "binary", elf, `${elf}.bin`]);
  return new Uint8Array(readFileSync(`${elf}.bin`));
}

/** Compiles in `folder`, and checks what a flat blob must be. */
function compile({ gcc }: Tools, folder: string, warnings: "error" | "ignore"): Built {
  const prefix = gcc.slice(0, -"gcc".length);
  const strict = warnings === "error" ? ["-Werror"] : ["-w"];
  // In the order of their names, which does not depend on the file system. purgatory.lds puts the
  // entry first.
  const units = sourceNames().filter((name) => /\.[cS]$/.test(name));
  const objects = units.map((unit) => {
    const object = join(folder, unit.replace(".", "-").concat(".o"));
    run([gcc, ...COMPILE_FLAGS, ...strict, "-c", unit, "-o", object]);
    checkRelocations(`${prefix}readelf`, object);
    return object;
  });
  const elf = link(prefix, objects, "0", folder);
  const blob = flatten(prefix, elf);
  const elsewhere = flatten(prefix, link(prefix, objects, OTHER_BASE, folder));
  if (!Buffer.from(blob).equals(elsewhere)) {
    throw new PurgatoryProblem(`the blob differs when linked at ${OTHER_BASE}`);
  }
  const listing = disassemble(`${prefix}objdump`, elf);
  checkInstructions(listing);
  return { blob, listing, memorySize: stackEnd(`${prefix}nm`, elf) };
}

function compileInTemporaryFolder(tools: Tools, warnings: "error" | "ignore"): Built {
  const folder = mkdtempSync(join(tmpdir(), "purgatory-"));
  try {
    return compile(tools, folder, warnings);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const read = (name: string, folder = PURGATORY_FOLDER) =>
  new Uint8Array(readFileSync(join(folder, name)));
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

export function build(): void {
  const tools = findTools();
  if (tools === null) throw new PurgatoryProblem("no gcc and binutils for x86_64 were found");
  const { blob, listing, memorySize } = compileInTemporaryFolder(tools, "error");
  const manifest: PurgatoryManifest = {
    architecture: "x86_64",
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
    sources: Object.fromEntries(sourceNames().map((name) => [name, digest(read(name))])),
  };
  const write = (name: string, data: Uint8Array | string) =>
    writeFileSync(join(PURGATORY_FOLDER, name), data);
  write("purgatory.bin", blob);
  write("purgatory.lst", listing);
  write("blob.ts", blobModule(blob));
  write("manifest.json", `${JSON.stringify(manifest, null, 2)}\n`);
}

function readManifest(folder = PURGATORY_FOLDER): PurgatoryManifest {
  return parseManifest(JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")));
}

/** Problems found by reading alone, a sentence each; none where all is well. */
export function checkFiles(folder = PURGATORY_FOLDER): string[] {
  const manifest = readManifest(folder);
  const blob = read("purgatory.bin", folder);
  const problems: string[] = [];
  const compare = (name: string, wanted: string | undefined) => {
    const found = digest(read(name, folder));
    if (found !== wanted) problems.push(`${name}: SHA-256 ${found}, the manifest says ${wanted}`);
  };
  compare("purgatory.bin", manifest.sha256);
  compare("purgatory.lst", manifest.listingSha256);
  const present = sourceNames(folder);
  for (const name of present) compare(name, manifest.sources[name]);
  for (const name of Object.keys(manifest.sources)) {
    if (!present.includes(name)) problems.push(`${name}: in the manifest, but not there`);
  }
  if (blob.length !== manifest.blobSize) {
    problems.push(`purgatory.bin: ${blob.length} bytes, the manifest says ${manifest.blobSize}`);
  }
  if (new TextDecoder().decode(read("blob.ts", folder)) !== blobModule(blob)) {
    problems.push("blob.ts does not carry purgatory.bin");
  }
  checkInstructions(new TextDecoder().decode(read("purgatory.lst", folder)));
  return problems;
}

/** Problems found by compiling, and a sentence that says what was compared. */
function checkCompiled(): { problems: string[]; note: string } {
  const tools = findTools();
  if (tools === null) return { problems: [], note: "no x86_64 compiler here: hashes only" };
  const manifest = readManifest();
  const built = compileInTemporaryFolder(tools, "ignore");
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

function main(command: string | undefined): number {
  if (command === "build") build();
  else if (command !== "check") {
    process.stderr.write("usage: bun scripts/purgatory.ts build|check\n");
    return 2;
  }
  const { problems, note } = checkCompiled();
  problems.unshift(...checkFiles());
  for (const problem of problems) process.stderr.write(`purgatory: ${problem}\n`);
  if (problems.length > 0) {
    process.stderr.write("purgatory: run `bun scripts/purgatory.ts build` after a change\n");
    return 1;
  }
  process.stdout.write(`purgatory: ok. ${note}\n`);
  return 0;
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
