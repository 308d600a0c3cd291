/**
 * Kernels and modules in every compression, each made by its own program, through the built file:
 * with the machine's liblzma, and with none. Nothing is loaded.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeBzImage } from "../images/make-bzimage.ts";
import { makeElf } from "../images/make-elf.ts";
import { multiboot2Header } from "../images/make-multiboot.ts";
import { packedBy, zboot } from "../wrapper/make-wrapped.ts";
import { FACTS, KEXEC, makeScratch, type Outcome, run } from "./built-file.ts";
import { pathsLookedUp } from "./paths-looked-up.ts";

const scratch = makeScratch();
afterAll(() => rmSync(scratch, { recursive: true }));

const kernel = makeBzImage();

const FORMATS = [
  { name: "gzip", command: ["gzip", "-c"] },
  { name: "bzip2", command: ["bzip2", "-c"] },
  { name: "zstd", command: ["zstd", "-q", "-c"] },
  { name: "xz", command: ["xz", "-c", "--check=crc32", "--x86", "--lzma2=dict=32MiB"] },
  { name: "lzma", command: ["xz", "-c", "--format=lzma"] },
  { name: "lz4", command: ["lz4", "-q", "-c"] },
  { name: "lz4 (legacy)", command: ["lz4", "-q", "-c", "-l"] },
] as const;

let files = 0;

function file(bytes: Uint8Array): string {
  files += 1;
  const path = join(scratch, `file-${files}`);
  writeFileSync(path, bytes);
  return path;
}

interface Shown {
  readonly notes: readonly string[];
  readonly kernel?: { readonly path: string; readonly size: string };
  readonly segments?: readonly { readonly role: string; readonly sha256: string }[];
}

const dryRun = (...words: readonly string[]) => [
  ...[KEXEC, "-l", "--dry-run=json", `--facts=${FACTS}`],
  ...words,
];

function shown({ status, stdout, stderr }: Outcome): Shown {
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return JSON.parse(stdout).attempts[0];
}

/** Where the loader finds liblzma, if it does. */
const LIBLZMA = [...run(["ldconfig", "-p"]).stdout.matchAll(/liblzma\.so\.5 .*=> (\S+)/g)].map(
  ([, path = ""]) => path,
);

/** Runs a command where these files are empty, in a namespace of its own. */
function withoutLiblzma(command: readonly string[]): Outcome {
  const hide = LIBLZMA.map((path) => `mount --bind /dev/null ${path} &&`).join(" ");
  return run(["unshare", "-m", "/bin/sh", "-c", `${hide} exec "$@"`, "sh", ...command]);
}

const MACHINES = [
  ["with the machine's libraries", run],
  ["without liblzma", withoutLiblzma],
] as const;

const plain = shown(run(dryRun("-c", file(kernel))));

test("liblzma is there, is used, and can be hidden", () => {
  expect(LIBLZMA).not.toEqual([]);
  const path = file(packedBy(["xz", "-c"], kernel));
  const trace = join(scratch, "trace");
  shown(run(["strace", "-f", "-o", trace, ...dryRun("-c", path)]));
  expect(pathsLookedUp(trace).some((name) => name.includes("liblzma.so.5"))).toBe(true);
  const sizes = withoutLiblzma(["stat", "-L", "-c", "%s", ...LIBLZMA]).stdout;
  expect(sizes).toMatch(/^(0\n)+$/);
});

describe.each(MACHINES)("%s", (_, start) => {
  describe.each(FORMATS)("$name", ({ name, command }) => {
    const packed = packedBy(command, kernel);
    const note = `${name}, ${packed.length} -> ${kernel.length} bytes`;

    test("the plan is the same as for the kernel itself", () => {
      const plan = shown(start(dryRun("-c", file(packed))));
      expect(plan).toEqual({ ...plain, notes: [note, ...plain.notes] });
    });

    test("-s hands over what is in it", () => {
      const { notes, kernel: handed } = shown(start(dryRun("-s", file(packed))));
      expect(notes[0]).toBe(note);
      expect(Number(handed?.size)).toBe(kernel.length);
    });

    test("in an EFI zboot", () => {
      const image = zboot(packed, name);
      const plan = shown(start(dryRun("-c", file(image))));
      const outer = `EFI zboot, ${image.length} -> ${packed.length} bytes`;
      expect(plan).toEqual({ ...plain, notes: [outer, note, ...plain.notes] });
    });

    test("cut short, it is refused with the reason", () => {
      const path = file(packed.subarray(0, packed.length >> 1));
      const { status, stdout, stderr } = start(dryRun("-c", path));
      expect({ status, stdout }).toEqual({ status: 255, stdout: "" });
      const [first, second] = stderr.split("\n");
      expect(first).toBe(`Cannot determine the file type of ${path}`);
      expect(second).toMatch(/^[a-z0-9 ()]+: .*(cut short|damaged|unexpected end)/);
    });
  });
});

test("from a pipe, which is read once, both ways of loading get it", () => {
  const packed = packedBy(["bzip2", "-c"], kernel);
  const input = Buffer.from(packed).toString("latin1");
  const { status, stdout, stderr } = run(dryRun("/dev/stdin"), { input });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const { attempts }: { attempts: readonly Shown[] } = JSON.parse(stdout);
  const note = `bzip2, ${packed.length} -> ${kernel.length} bytes`;
  expect(attempts.map(({ notes }) => notes[0])).toEqual([note, note]);
});

describe("modules", () => {
  const parts = [{ physical: 0x200000n, bytes: multiboot2Header([]), memorySize: 0x1000n }];
  const image = file(makeElf({ bits: 64, parts }));
  const content = new Uint8Array(20_000).map((_, i) => i >> 4);
  const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const modulesOf = ({ segments }: Shown) =>
    segments?.filter(({ role }) => role === "module").map((segment) => segment.sha256);

  test("each is expanded, by any format", () => {
    const packed = FORMATS.map(({ command }) => packedBy(command, content));
    const paths = packed.map(file);
    const words = paths.map((path) => `--module=${path} an argument`);
    const plan = shown(run(dryRun("-c", "-t", "multiboot2-x86", ...words, image)));
    expect(modulesOf(plan)).toEqual(FORMATS.map(() => sha256(content)));
    expect(plan.notes.slice(0, FORMATS.length)).toEqual(
      FORMATS.map(
        ({ name }, i) => `${paths[i]}: ${name}, ${packed[i]?.length} -> ${content.length} bytes`,
      ),
    );
  });

  test("archives that follow one another stay as they are", () => {
    const archives = Buffer.concat([packedBy(["gzip", "-c"], content), content]);
    const path = file(archives);
    const plan = shown(run(dryRun("-c", `--module=${path}`, image)));
    expect(modulesOf(plan)).toEqual([sha256(archives)]);
    expect(plan.notes[0]).toStartWith(`${path}: not expanded: other data follow its gzip data`);
  });
});
