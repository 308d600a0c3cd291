/** What starting costs: commands that load nothing, or next to nothing. Processor time. */

import { rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { inTurns, processorTime, type Times } from "./run.ts";
import { MIB, type Setup, writeInitrd } from "./setup.ts";
import { type Column, makeSection, type Section, showVerdicts, type Verdict } from "./table.ts";

/** Of the initrd that loads begin with. */
const SMALL = MIB;
/** kexec was refused; without CAP_SYS_BOOT the kernel refuses everything. */
const REFUSED = 255;
/** kexec-tools' status where kexec_file_load is not available. */
const NO_FILE_LOAD = 253;

/** In ms, for a program that does nothing: more than this, and starting anything costs so much that
 * the numbers say nothing of other machines. */
const SLOW_MACHINE = 1.5;

interface Case {
  readonly name: string;
  readonly options: readonly string[];
  /** Loads the kernel and a small initrd. */
  readonly loads: boolean;
  readonly statuses: readonly number[];
  /** The most that onekexec may take beyond kexec-tools, in ms. */
  readonly atMost: number;
}

interface Row {
  readonly name: string;
  readonly theirs: Times;
  readonly ours: Times;
  readonly verdict: Verdict;
}

const CASES: readonly Case[] = [
  { name: "`-v`", options: ["-v"], loads: false, statuses: [0], atMost: 4 },
  // 0: nothing is loaded; 255: the running kernel has no kexec.
  { name: "`-S`", options: ["-S"], loads: false, statuses: [0, REFUSED], atMost: 9 },
  { name: "`-u`", options: ["-u"], loads: false, statuses: [REFUSED], atMost: 9 },
  {
    name: "`-s -l`, initrd of 1 MiB",
    options: ["-s", "-l"],
    loads: true,
    statuses: [NO_FILE_LOAD, REFUSED],
    atMost: 12,
  },
];

/** Columns of times in ms, median and least. */
export const START_COLUMNS: readonly Column<Row>[] = [
  { head: "command", cell: ({ name }) => name, inReadme: true },
  { head: "kexec-tools, ms", cell: ({ theirs }) => theirs.median.toFixed(1), inReadme: true },
  { head: "least", cell: ({ theirs }) => theirs.least.toFixed(1), inReadme: false },
  { head: "onekexec, ms", cell: ({ ours }) => ours.median.toFixed(1), inReadme: true },
  { head: "least", cell: ({ ours }) => ours.least.toFixed(1), inReadme: false },
  {
    head: "more, ms",
    cell: ({ theirs, ours }) => (ours.median - theirs.median).toFixed(1),
    inReadme: true,
  },
  { head: "target", cell: ({ verdict }) => showVerdicts([verdict]), inReadme: false },
];

function measureCase(one: Case, setup: Setup, initrd: string, runs: number): Row {
  const files = [setup.vmlinuz, `--initrd=${initrd}`, "--append=console=ttyS0"];
  const words = [...one.options, ...(one.loads ? files : [])];
  const command = (program: string) => ({ program, words, statuses: one.statuses });
  const both = [command(setup.theirs), command(setup.ours)];
  const [theirs, ours] = inTurns(one.name, both, runs, processorTime);
  if (theirs === undefined || ours === undefined) throw new RangeError("two were measured");
  const met = ours.median - theirs.median <= one.atMost;
  const verdict = { met, text: `at most ${one.atMost} ms more` };
  return { name: one.name, theirs, ours, verdict };
}

/** What any process costs here, in ms: a static program that is given nothing to do. */
function costOfNothing({ floor }: Setup, runs: number): number {
  const command = { program: floor, words: [], statuses: [0] };
  const [times] = inTurns("nothing", [command], runs, processorTime);
  if (times === undefined) throw new RangeError("one was measured");
  if (times.median > SLOW_MACHINE) {
    const text = `a program that does nothing takes ${times.median.toFixed(1)} ms`;
    process.stderr.write(`warning: ${text}: this machine is too slow now for numbers to keep\n`);
  }
  return times.median;
}

/** Measures starting. @throws Problem */
export function measureStart(setup: Setup): Section {
  const runs = setup.quick ? 11 : 31;
  const nothing = costOfNothing(setup, runs);
  const initrd = writeInitrd(setup.folder, SMALL);
  try {
    const rows = CASES.map((one) => measureCase(one, setup, initrd, runs));
    const note = [
      `Starting: processor time of a whole process, median of ${runs} runs;`,
      `${setup.kexecTools}, ${availableParallelism()} processors. A static program that does`,
      `nothing takes ${nothing.toFixed(1)} ms.`,
    ].join(" ");
    return makeSection("start", note, START_COLUMNS, rows);
  } finally {
    rmSync(initrd);
  }
}
