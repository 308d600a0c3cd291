/**
 * What loading by kexec_load costs, up to the system call, which is refused: processor time,
 * elapsed time with real-time priority, and memory; beside kexec-tools, and beside the floor, a
 * program that maps the same files and reads them once.
 */

import { rmSync } from "node:fs";
import { runKexec } from "../../test/conformance/harness.ts";
import { ownMemory, peakMemory } from "../../test/conformance/stopped-load.ts";
import { Problem } from "../command.ts";
import { type Command, elapsedInTurns, inTurns, processorTime, type Times } from "./run.ts";
import { MIB, type Setup, writeInitrd } from "./setup.ts";
import { type Column, makeSection, type Section, showVerdicts, type Verdict } from "./table.ts";

const REFUSED = 255;
/** A process that takes longer, in ms, gets no real-time priority: others would starve. */
const REAL_TIME_MAX = 3000;
/** What onekexec may keep for itself, whatever it loads, in bytes. */
const OWN_MEMORY_MAX = 24 * MIB;

interface Case {
  /** Of the initrd, in MiB. */
  readonly mib: number;
  /** Of both programs. */
  readonly options: readonly string[];
  /** Of onekexec alone. */
  readonly own: readonly string[];
  /** How many times faster onekexec must be; null: nothing is asked. */
  readonly factor: number | null;
  /** Of processor time. */
  readonly runs: number;
  /** Of elapsed time. */
  readonly elapsedRuns: number;
}

/** In bytes. */
interface Memory {
  readonly peak: number;
  /** Anonymous pages in memory at the system call. */
  readonly own: number;
}

interface Row {
  readonly name: string;
  readonly theirs: Times;
  readonly ours: Times;
  readonly floor: Times;
  /** null without real-time priority, and where that would last too long. */
  readonly elapsed: { readonly theirs: Times; readonly ours: Times } | null;
  readonly memory: { readonly theirs: Memory; readonly ours: Memory };
  readonly verdicts: readonly Verdict[];
}

const ms = ({ median }: Times) => median.toFixed(1);
const mib = (bytes: number) => (bytes / MIB).toFixed(0);
const ratio = (theirs: Times, ours: Times) => (theirs.median / ours.median).toFixed(1);

export const LOAD_COLUMNS: readonly Column<Row>[] = [
  { head: "load", cell: ({ name }) => name, inReadme: true },
  { head: "kexec-tools, ms", cell: ({ theirs }) => ms(theirs), inReadme: true },
  { head: "least", cell: ({ theirs }) => theirs.least.toFixed(1), inReadme: false },
  { head: "onekexec, ms", cell: ({ ours }) => ms(ours), inReadme: true },
  { head: "least", cell: ({ ours }) => ours.least.toFixed(1), inReadme: false },
  { head: "times faster", cell: ({ theirs, ours }) => ratio(theirs, ours), inReadme: true },
  { head: "floor, ms", cell: ({ floor }) => ms(floor), inReadme: true },
  { head: "ours / floor", cell: ({ ours, floor }) => ratio(ours, floor), inReadme: false },
  {
    head: "elapsed, ms",
    cell: ({ elapsed }) => (elapsed ? `${ms(elapsed.theirs)} / ${ms(elapsed.ours)}` : "-"),
    inReadme: true,
  },
  {
    head: "times faster, elapsed",
    cell: ({ elapsed }) => (elapsed ? ratio(elapsed.theirs, elapsed.ours) : "-"),
    inReadme: true,
  },
  {
    head: "own memory, MiB",
    cell: ({ memory }) => `${mib(memory.theirs.own)} / ${mib(memory.ours.own)}`,
    inReadme: true,
  },
  {
    head: "peak, MiB",
    cell: ({ memory }) => `${mib(memory.theirs.peak)} / ${mib(memory.ours.peak)}`,
    inReadme: true,
  },
  { head: "target", cell: ({ verdicts }) => showVerdicts(verdicts), inReadme: false },
];

/** Which sizes there are, what each must reach, and how often each is run. */
const SIZES = [
  { mib: 1, factor: null, runs: 25, elapsedRuns: 9, quickRuns: 9 },
  { mib: 16, factor: 6, runs: 21, elapsedRuns: 9, quickRuns: 7 },
  { mib: 256, factor: 10, runs: 11, elapsedRuns: 5, quickRuns: 5 },
  { mib: 1024, factor: 12, runs: 5, elapsedRuns: 3, quickRuns: 0 },
] as const;
/** Of the initrd in the cases that are there for one size only, in MiB. */
const ORDINARY = 16;

/**
 * The cases of an initrd. onekexec's time with the same bytes as kexec-tools loads has the target;
 * where the built file decompresses the bzImage unless it is told not to, that is a case too.
 */
function casesOf(size: (typeof SIZES)[number], { quick, unchangedImage }: Setup): Case[] {
  const { mib, factor } = size;
  const runs = quick ? size.quickRuns : size.runs;
  const elapsedRuns = quick ? 3 : size.elapsedRuns;
  const common = { mib, runs, elapsedRuns };
  const same = { ...common, options: ["-c"], own: unchangedImage, factor };
  const unpacked = { ...common, options: ["-c"], own: [], factor: null };
  const unchecked = { ...common, options: ["-c", "-i"], own: unchangedImage, factor: null };
  return [
    same,
    ...(unchangedImage.length > 0 ? [unpacked] : []),
    ...(mib === ORDINARY ? [unchecked] : []),
  ];
}

function nameOf({ options, own, mib }: Case): string {
  const size = mib >= 1024 ? `${mib / 1024} GiB` : `${mib} MiB`;
  return `\`${[...options, "-l", ...own].join(" ")}\`, initrd of ${size}`;
}

/** The memory of a load that is stopped at its system call. @throws Problem without one */
async function memoryOf({ program, words }: Command): Promise<Memory> {
  let memory: Memory | undefined;
  await runKexec(program, words, {
    kexecLoad: "EPERM",
    whenStopped(stopped) {
      memory = { peak: peakMemory(stopped), own: ownMemory(stopped) };
    },
  });
  if (memory === undefined) {
    throw new Problem({ step: `Measure ${program}`, reason: "it never came to kexec_load" });
  }
  return memory;
}

function verdictsOf(one: Case, theirs: Times, ours: Times, memory: Memory): Verdict[] {
  const { factor } = one;
  if (factor === null) return [];
  const isFast = ours.median * factor <= theirs.median;
  const isSmall = memory.own <= OWN_MEMORY_MAX;
  return [
    { met: isFast, text: `at least ${factor} times faster` },
    { met: isSmall, text: `own memory at most ${mib(OWN_MEMORY_MAX)} MiB` },
  ];
}

/** The three programs that are compared on the same files. */
function commandsOf(one: Case, setup: Setup, initrd: string): Command[] {
  const { vmlinuz, theirs, ours, floor } = setup;
  const files = [vmlinuz, `--initrd=${initrd}`, "--append=console=ttyS0"];
  const load = (program: string, own: readonly string[]): Command => ({
    program,
    words: [...one.options, "-l", ...own, ...files],
    statuses: [REFUSED],
  });
  return [
    load(theirs, []),
    load(ours, one.own),
    { program: floor, words: [vmlinuz, initrd], statuses: [0] },
  ];
}

async function measureCase(one: Case, setup: Setup, commands: readonly Command[]): Promise<Row> {
  const name = nameOf(one);
  const [kexecTools, onekexec] = commands;
  const [theirs, ours, floor] = inTurns(name, commands, one.runs, processorTime);
  if (!kexecTools || !onekexec || !theirs || !ours || !floor) throw new RangeError("three are run");
  const both = [kexecTools, onekexec];
  const isShort = [theirs, ours].every(({ median }) => median <= REAL_TIME_MAX);
  const [theirElapsed, ourElapsed] =
    setup.realTime && isShort ? elapsedInTurns(name, both, one.elapsedRuns) : [];
  const elapsed = theirElapsed && ourElapsed ? { theirs: theirElapsed, ours: ourElapsed } : null;
  const memory = { theirs: await memoryOf(kexecTools), ours: await memoryOf(onekexec) };
  const verdicts = verdictsOf(one, theirs, ours, memory.ours);
  return { name, theirs, ours, floor, elapsed, memory, verdicts };
}

function noteOf({ realTime, unchangedImage }: Setup, sizes: readonly { runs: number }[]): string {
  const counts = sizes.map(({ runs }) => runs).join(", ");
  return [
    `Loading: processor time of a whole process up to the system call, median of ${counts} runs`,
    "by the initrd's size; the floor is a program that maps the same files and reads them once.",
    realTime
      ? "Elapsed time is that of processes with real-time priority: kexec-tools / onekexec."
      : "Elapsed time was not measured, which needs real-time priority.",
    "Memory: kexec-tools / onekexec, the process' own at the system call (RssAnon) and its peak",
    "with what it shares with the page cache.",
    ...(unchangedImage.length === 0
      ? []
      : [
          `With \`${unchangedImage.join(" ")}\` both load the same bytes; without it, onekexec`,
          "decompresses the kernel here, and not after the reboot (see below).",
        ]),
  ].join(" ");
}

/** Measures loads. @throws Problem */
export async function measureLoad(setup: Setup): Promise<Section> {
  const sizes = SIZES.map((size) => ({ size, cases: casesOf(size, setup) }));
  const run = sizes.filter(({ cases }) => cases.every(({ runs }) => runs > 0));
  const rows: Row[] = [];
  for (const { size, cases } of run) {
    const initrd = writeInitrd(setup.folder, size.mib * MIB);
    try {
      for (const one of cases) {
        rows.push(await measureCase(one, setup, commandsOf(one, setup, initrd)));
      }
    } finally {
      rmSync(initrd);
    }
  }
  const counted = run.flatMap(({ cases }) => cases.slice(0, 1));
  return makeSection("load", noteOf(setup, counted), LOAD_COLUMNS, rows);
}
