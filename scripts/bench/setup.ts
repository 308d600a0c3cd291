/** What all subjects have in common: options of the built file, kernels, a folder in memory. */

import { closeSync, copyFileSync, mkdirSync, openSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { KEXEC } from "../build.ts";
import { Problem, runCommand } from "../command.ts";
import type { Kernel } from "../kernels.ts";

/** Files here are memory: what is measured is not a disk. */
export const SHM = "/dev/shm";
export const MIB = 1 << 20;
/** Of random bytes that an initrd repeats; nothing here compresses. */
const BLOCK = MIB;

/** The files that are measured, all in memory. */
export interface Files {
  /** In `SHM`, and removed at the end. */
  readonly folder: string;
  /** kexec-tools' program, and ours. */
  readonly theirs: string;
  readonly ours: string;
  /** An xz bzImage. */
  readonly vmlinuz: string;
  /** The program that is the floor (floor.c). */
  readonly floor: string;
}

export interface Setup extends Files {
  /** Debian's 6.1, which `vmlinuz` is a copy of. */
  readonly kernel: Kernel;
  /** As it names itself: `kexec-tools 2.0.25`. */
  readonly kexecTools: string;
  /** Fewer runs, and without the largest inputs. */
  readonly quick: boolean;
  /** The option by which `-c` loads a bzImage without decompressing it first, as kexec-tools does;
   * empty where the built file has no such option and never decompresses it. */
  readonly unchangedImage: readonly string[];
  /** Whether elapsed time can be measured. */
  readonly realTime: boolean;
}

const UNCHANGED_IMAGE = "--no-unpack";

/** `Setup.unchangedImage` of the built file, by its help text. @throws Problem */
export function findUnchangedImage(): string[] {
  const help = runCommand("Ask kexec for its options", [KEXEC, "-h"]);
  return new RegExp(`${UNCHANGED_IMAGE}\\b`).test(help) ? [UNCHANGED_IMAGE] : [];
}

/** Writes a new file of `size` random bytes, which repeat after 1 MiB. @throws Problem */
export function writeInitrd(folder: string, size: number): string {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < size) {
    const reason = `${folder} has ${Math.floor((bavail * bsize) / MIB)} MiB left`;
    throw new Problem({ step: `Write ${size / MIB} MiB to ${folder}`, reason, advice: "--quick" });
  }
  const block = new Uint8Array(BLOCK);
  for (let at = 0; at < BLOCK; at += 65536) {
    crypto.getRandomValues(block.subarray(at, at + 65536));
  }
  const path = join(folder, "initrd");
  const fd = openSync(path, "wx");
  try {
    for (let done = 0; done < size; ) done += writeSync(fd, block, 0, BLOCK);
  } finally {
    closeSync(fd);
  }
  return path;
}

/** The installed kexec-tools. */
export const KEXEC_TOOLS = "/usr/sbin/kexec";

/** Copies into `folder` what is measured, for the page cache of a disk gives pages up at any time.
 * @throws Problem */
export function putFiles(folder: string, { vmlinuz }: Kernel): Files {
  const put = (name: string, from: string): string => {
    const path = join(folder, name);
    copyFileSync(from, path);
    return path;
  };
  for (const name of ["theirs", "ours"]) mkdirSync(join(folder, name));
  return {
    folder,
    theirs: put("theirs/kexec", KEXEC_TOOLS),
    ours: put("ours/kexec", KEXEC),
    vmlinuz: put("vmlinuz", vmlinuz),
    floor: compileFloor(folder),
  };
}

/** @throws Problem */
function compileFloor(folder: string): string {
  const program = join(folder, "floor");
  const source = join(import.meta.dir, "floor.c");
  const flags = ["-O3", "-static", "-Wall", "-Wextra", "-Werror"];
  runCommand("Compile floor.c", ["gcc", ...flags, "-o", program, source]);
  return program;
}
