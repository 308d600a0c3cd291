/**
 * Measures onekexec beside the installed kexec-tools: what starting and loading cost, how plans
 * grow with the machine, and how long a machine is away while one kernel starts the other.
 *
 *     bun scripts/bench.ts [--start] [--load] [--growth] [--downtime] [--quick] [--readme]
 *
 * Without the name of a subject it measures all. --quick takes fewer runs and leaves the largest
 * initrd out; --readme writes the tables into README.md. Nothing is loaded on this machine: all
 * runs are without CAP_SYS_BOOT. Downtime is measured in virtual machines, which takes minutes.
 * Status 1 means that something could not be run; a target that was missed is only said.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, constants } from "node:os";
import { join } from "node:path";
import { CAP_SYS_BOOT } from "../src/model/host-facts.ts";
import { measureDowntime } from "./bench/downtime.ts";
import { measureGrowth } from "./bench/growth.ts";
import { measureLoad } from "./bench/load.ts";
import { mayHaveRealTimePriority, progress } from "./bench/run.ts";
import {
  type Files,
  findUnchangedImage,
  KEXEC_TOOLS,
  putFiles,
  type Setup,
  SHM,
} from "./bench/setup.ts";
import { measureStart } from "./bench/start.ts";
import {
  markdown,
  type Section,
  SUBJECTS,
  type Subject,
  withSections,
  wrapped,
} from "./bench/table.ts";
import { buildKexec } from "./build.ts";
import { Problem, problemText, runCommand } from "./command.ts";
import { ensureKernel } from "./kernels.ts";
import { ensurePackages, refreshPackageLists } from "./machine.ts";

const README = join(import.meta.dir, "../README.md");
const USAGE = `bench.ts ${[...SUBJECTS, "quick", "readme"].map((one) => `[--${one}]`).join(" ")}`;

const MEASURES: Readonly<Record<Subject, (setup: Setup) => Section | Promise<Section>>> = {
  start: measureStart,
  load: measureLoad,
  growth: measureGrowth,
  downtime: measureDowntime,
};

interface Request {
  readonly subjects: readonly Subject[];
  readonly quick: boolean;
  readonly readme: boolean;
}

function readCommandLine(words: readonly string[]): Request {
  const broken = (reason: string) =>
    new Problem({ step: "Read the command line", reason, advice: USAGE });
  const known: readonly string[] = [...SUBJECTS, "quick", "readme"].map((one) => `--${one}`);
  const unknown = words.find((word) => !known.includes(word));
  if (unknown !== undefined) throw broken(`unknown word ${JSON.stringify(unknown)}`);
  const has = (name: string) => words.includes(`--${name}`);
  const named = SUBJECTS.filter(has);
  const request = { quick: has("quick"), readme: has("readme") };
  if (request.quick && request.readme) throw broken("README has the numbers of whole runs");
  return { ...request, subjects: named.length > 0 ? named : SUBJECTS };
}

/** True if this process could load a kernel, and so its children. */
function maySysBoot(): boolean {
  const status = readFileSync("/proc/self/status", "latin1");
  const word = (name: string) =>
    BigInt(`0x${new RegExp(`^${name}:\\t(\\w+)$`, "m").exec(status)?.[1]}`);
  return ((word("CapEff") | word("CapBnd")) & CAP_SYS_BOOT) !== 0n;
}

/** The same again, in a process that can load nothing. Returns its exit status. */
function runHarmless(words: readonly string[]): number {
  const command = ["setpriv", "--bounding-set=-sys_boot", process.execPath, import.meta.path];
  const { exitCode } = Bun.spawnSync([...command, ...words], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  return exitCode;
}

/** Installs and builds what is missing; the rest of the setup is known then. @throws Problem */
function prepare({ subjects, quick }: Request): Omit<Setup, keyof Files> {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  ensurePackages(subjects.includes("downtime") ? ["conformance", "vm"] : ["conformance"], say);
  const kernel = ensureKernel("6.1", say, () => refreshPackageLists(say));
  buildKexec();
  const realTime = mayHaveRealTimePriority();
  const kexecTools = runCommand("Ask kexec-tools for its version", [KEXEC_TOOLS, "-v"]).trim();
  const unchangedImage = findUnchangedImage();
  return { kernel, kexecTools, quick, unchangedImage, realTime };
}

async function main(words: readonly string[]): Promise<number> {
  const request = readCommandLine(words);
  const prepared = prepare(request);
  if (maySysBoot()) return runHarmless(words);
  const folder = mkdtempSync(join(SHM, "onekexec-bench-"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  process.stdout.write(`${prepared.kexecTools}; ${availableParallelism()} processors\n`);
  const setup = { ...prepared, ...putFiles(folder, prepared.kernel) };
  const sections: Section[] = [];
  for (const subject of request.subjects) {
    const section = await MEASURES[subject](setup);
    progress("");
    process.stdout.write(`\n${wrapped(section.note)}\n\n${markdown(section.lines)}\n`);
    sections.push(section);
  }
  if (!request.readme) return 0;
  writeFileSync(README, withSections(readFileSync(README, "utf8"), sections));
  process.stdout.write(`\nREADME.md: ${sections.length} tables\n`);
  return 0;
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  progress("");
  process.stderr.write(`${problemText(error)}\n`);
  process.exit(1);
}
