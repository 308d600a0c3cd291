/**
 * How the cost of a plan grows with the machine: memory ranges and CPUs, in facts that are made up
 * from a recorded machine's. onekexec alone: kexec-tools plans for the running machine only.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { factsFromJson, factsToJson } from "../../src/facts/facts-file.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";
import type { MemoryRange } from "../../src/model/memory.ts";
import { inTurns, processorTime, type Times } from "./run.ts";
import type { Setup } from "./setup.ts";
import { type Column, makeSection, type Section, showVerdicts, type Verdict } from "./table.ts";

const MACHINES = join(import.meta.dir, "../../test/facts/machines");
/** The made ranges begin here, above everything in the recorded machines' maps. */
const MADE_START = 2n << 40n;
const PIECE = 16n << 20n;
/** The end of each piece is of another type, so that no two ranges can be joined. */
const RESERVED = 64n << 10n;
/** Between the notes of two CPUs, in bytes. */
const NOTES_STEP = 0x200n;

const COUNTS = [16, 256, 1024, 4096, 16384] as const;
/** Four times the ranges may take this much of the time above the smallest machine's. */
const GROWTH_MAX = 6;

/** `count` ranges, RAM and reserved memory in turn. */
function madeRanges(count: number): MemoryRange[] {
  return Array.from({ length: count }, (_, i) => {
    const start = MADE_START + BigInt(i >> 1) * PIECE;
    const middle = start + PIECE - RESERVED;
    return i % 2 === 0
      ? { start, end: middle, type: "ram" }
      : { start: middle, end: start + PIECE, type: "reserved" };
  });
}

/** The machine with `count` more memory ranges. @throws RangeError without a memory map */
export function withRanges(facts: HostFacts, count: number): HostFacts {
  const { memoryMap, systemRam, crash } = facts;
  if (memoryMap === null || systemRam === null) throw new RangeError("facts without memory");
  const made = madeRanges(count);
  const ram = made.filter(({ type }) => type === "ram").map(({ start, end }) => ({ start, end }));
  return {
    ...facts,
    memoryMap: { ...memoryMap, ranges: [...memoryMap.ranges, ...made] },
    systemRam: [...systemRam, ...ram],
    crash: crash === null ? null : { ...crash, memory: [...crash.memory, ...made] },
  };
}

/** The machine with the notes of `count` CPUs. @throws RangeError without those of one */
export function withCpus(facts: HostFacts, count: number): HostFacts {
  // One more range, of RAM, which has all notes.
  const { crash, ...others } = withRanges(facts, 1);
  const first = crash?.cpuNotes[0];
  if (crash === null || first === undefined) throw new RangeError("facts without CPU notes");
  const size = first.end - first.start;
  const cpuNotes = Array.from({ length: count }, (_, i) => {
    const start = MADE_START + BigInt(i) * NOTES_STEP;
    return { start, end: start + size };
  });
  return { ...others, crash: { ...crash, cpuNotes } };
}

interface Series {
  readonly name: string;
  readonly option: "-l" | "-p";
  /** A recorded machine. */
  readonly machine: string;
  readonly grow: (facts: HostFacts, count: number) => HostFacts;
}

const ORDINARY = "qemu-6g-bios.json";
const WITH_CRASH_REGION = "qemu-6g-crash-high.json";
const SERIES: readonly Series[] = [
  { name: "`-l`, memory ranges", option: "-l", machine: ORDINARY, grow: withRanges },
  { name: "`-p`, memory ranges", option: "-p", machine: WITH_CRASH_REGION, grow: withRanges },
  { name: "`-p`, CPUs", option: "-p", machine: WITH_CRASH_REGION, grow: withCpus },
];

interface Row {
  readonly name: string;
  /** By count. */
  readonly times: ReadonlyMap<number, Times>;
  readonly verdict: Verdict;
}

export const GROWTH_COLUMNS: readonly Column<Row>[] = [
  { head: "ms for", cell: ({ name }) => name, inReadme: true },
  ...COUNTS.map(
    (count): Column<Row> => ({
      head: count.toLocaleString("en-US"),
      cell: ({ times }) => times.get(count)?.median.toFixed(1) ?? "-",
      inReadme: true,
    }),
  ),
  { head: "target", cell: ({ verdict }) => showVerdicts([verdict]), inReadme: false },
];

/**
 * Whether the least times of three machines, the second with a quarter of the third's ranges, are
 * those of a cost that grows linearly.
 */
export function linearGrowth(smallest: number, quarter: number, whole: number): Verdict {
  const grown = (whole - smallest) / (quarter - smallest);
  const text = `4 times the number at most ${GROWTH_MAX} times the cost (${grown.toFixed(1)})`;
  return { met: grown <= GROWTH_MAX, text };
}

function measureSeries(series: Series, setup: Setup, runs: number): Row {
  const { name, option, machine, grow } = series;
  const facts = factsFromJson(readFileSync(join(MACHINES, machine), "utf8"));
  const commands = COUNTS.map((count) => {
    const path = join(setup.folder, `${option}-${count}.json`);
    writeFileSync(path, factsToJson(grow(facts, count)));
    const words = ["--dry-run=json", `--facts=${path}`, "--append=console=ttyS0"];
    return {
      program: setup.ours,
      words: [option, ...words, setup.vmlinuz],
      statuses: [0],
    };
  });
  const times = inTurns(name, commands, runs, processorTime);
  const [smallest, quarter, whole] = [times[0], times.at(-2), times.at(-1)];
  if (!smallest || !quarter || !whole) throw new RangeError("several sizes were measured");
  const verdict = linearGrowth(smallest.least, quarter.least, whole.least);
  const byCount = COUNTS.flatMap((count, i): [number, Times][] => {
    const one = times[i];
    return one === undefined ? [] : [[count, one]];
  });
  return { name, times: new Map(byCount), verdict };
}

/** Measures growth. @throws Problem */
export function measureGrowth(setup: Setup): Section {
  const runs = setup.quick ? 3 : 9;
  const rows = SERIES.map((series) => measureSeries(series, setup, runs));
  const note = [
    "Growth: processor time of `kexec --dry-run=json --facts=FILE` for machines with so many more",
    `memory ranges, or so many CPUs; median of ${runs} runs. Reading the facts is in it.`,
  ].join(" ");
  return makeSection("growth", note, GROWTH_COLUMNS, rows);
}
