/** The benchmark's own arithmetic, and its tables in README.md. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DOWNTIME_COLUMNS, differenceOf, downtimeOf } from "../../scripts/bench/downtime.ts";
import { GROWTH_COLUMNS, linearGrowth, withCpus, withRanges } from "../../scripts/bench/growth.ts";
import { LOAD_COLUMNS } from "../../scripts/bench/load.ts";
import { type Command, inTurns, summary } from "../../scripts/bench/run.ts";
import { START_COLUMNS } from "../../scripts/bench/start.ts";
import {
  type Column,
  makeSection,
  markdown,
  marksOf,
  readmeHeads,
  readmeTable,
  SUBJECTS,
  type Subject,
  showVerdicts,
  withSections,
  wrapped,
} from "../../scripts/bench/table.ts";
import { factsFromJson, factsToJson } from "../../src/facts/facts-file.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";

const ROOT = join(import.meta.dir, "../..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");

const HEADS: Readonly<Record<Subject, readonly string[]>> = {
  start: readmeHeads(START_COLUMNS),
  load: readmeHeads(LOAD_COLUMNS),
  growth: readmeHeads(GROWTH_COLUMNS),
  downtime: readmeHeads(DOWNTIME_COLUMNS),
};

describe("README.md has the table of each subject", () => {
  for (const subject of SUBJECTS) {
    test(`${subject}: its columns are the benchmark's; if not, npm run bench -- --readme`, () => {
      const [heads, rule, ...rows] = readmeTable(README, subject);
      expect(heads).toEqual([...HEADS[subject]]);
      expect(rule).toBeDefined();
      expect(rows.length).toBeGreaterThan(0);
      for (const row of [rule, ...rows]) {
        expect(row).toHaveLength(HEADS[subject].length);
        expect(row).not.toContain("");
      }
    });
  }
});

interface Made {
  readonly name: string;
  readonly value: number;
}
const COLUMNS: readonly Column<Made>[] = [
  { head: "name", cell: ({ name }) => name, inReadme: true },
  { head: "ms", cell: ({ value }) => value.toFixed(1), inReadme: true },
  { head: "target", cell: () => "met", inReadme: false },
];

describe("tables", () => {
  const section = makeSection("load", "How.", COLUMNS, [{ name: "a load", value: 2 }]);
  const readme = ["start", "load"].map((one) => `<<${one}>>`).join("\n");
  const marked = SUBJECTS.map((one) => `${marksOf(one).start}\nold ${one}\n${marksOf(one).end}`);

  test("the terminal has all columns, README those that are its", () => {
    expect(markdown(section.lines)).toBe(
      "| name   | ms  | target |\n|--------|-----|--------|\n| a load | 2.0 | met    |",
    );
    expect(section.readmeLines).toEqual([
      ["name", "ms"],
      ["a load", "2.0"],
    ]);
  });

  test("a table takes the place of the old one, and the others stay", () => {
    const text = withSections(marked.join("\n"), [section]);
    expect(text).not.toContain("old load");
    expect(text).toContain("How.");
    expect(readmeTable(text, "load").at(-1)).toEqual(["a load", "2.0"]);
    for (const other of ["start", "growth", "downtime"]) expect(text).toContain(`old ${other}`);
    expect(withSections(text, [section])).toBe(text);
  });

  test("a README without the marks is refused, and the marks are named", () => {
    expect(() => withSections(readme, [section])).toThrow(marksOf("load").start);
    const turned = `${marksOf("load").end}\n${marksOf("load").start}`;
    expect(() => withSections(turned, [section])).toThrow(marksOf("load").end);
  });

  test("a paragraph has lines of at most 100 characters, and loses no word", () => {
    const text = Array.from({ length: 60 }, (_, i) => "x".repeat(1 + (i % 12))).join(" ");
    const lines = wrapped(text).split("\n");
    expect(lines.join(" ")).toBe(text);
    for (const [i, line] of lines.entries()) {
      expect(line.length).toBeLessThanOrEqual(100);
      const first = lines[i + 1]?.split(" ")[0];
      if (first !== undefined) expect(`${line} ${first}`.length).toBeGreaterThan(100);
    }
    expect(wrapped("y".repeat(120))).toBe("y".repeat(120));
  });

  test("a target is met or missed", () => {
    const verdicts = [
      { met: true, text: "at most 4 ms" },
      { met: false, text: "24 MiB" },
    ];
    expect(showVerdicts(verdicts)).toBe("met: at most 4 ms; MISSED: 24 MiB");
    expect(showVerdicts([])).toBe("-");
  });
});

describe("runs", () => {
  const command = (program: string): Command => ({ program, words: [], statuses: [0] });

  test("median and least", () => {
    expect(summary([9, 1, 5])).toEqual({ median: 5, least: 1 });
    expect(() => summary([])).toThrow("no runs");
  });

  test("take turns, each round begins with another, and the first is not counted", () => {
    const order: string[] = [];
    const [a, b] = inTurns("", [command("a"), command("b")], 3, ({ program }) => {
      order.push(program);
      return order.length;
    });
    expect(order.join("")).toBe("abbaabba");
    expect(a).toEqual({ median: 5, least: 4 });
    expect(b).toEqual({ median: 6, least: 3 });
  });
});

const machine = (name: string): HostFacts =>
  factsFromJson(readFileSync(join(ROOT, "test/facts/machines", name), "utf8"));

describe("machines that grow", () => {
  const base = machine("qemu-6g-crash-high.json");

  test("have so many more memory ranges, none of which joins its neighbour", () => {
    const grown = withRanges(base, 64);
    const ranges = grown.memoryMap?.ranges ?? [];
    expect(ranges.length - (base.memoryMap?.ranges.length ?? 0)).toBe(64);
    expect(grown.systemRam?.length).toBe((base.systemRam?.length ?? 0) + 32);
    expect(grown.crash?.memory.length).toBe((base.crash?.memory.length ?? 0) + 64);
    for (const [i, one] of ranges.entries()) {
      const next = ranges[i + 1];
      if (next === undefined) continue;
      expect(one.end <= next.start).toBe(true);
      expect(one.end === next.start && one.type === next.type).toBe(false);
    }
  });

  test("have the notes of so many CPUs, none of which overlaps the next", () => {
    const notes = withCpus(base, 64).crash?.cpuNotes ?? [];
    expect(notes).toHaveLength(64);
    expect(notes.every(({ end }, i) => end <= (notes[i + 1]?.start ?? end))).toBe(true);
  });

  test("can be read from a facts file", () => {
    for (const grown of [withRanges(base, 16), withCpus(base, 16)]) {
      expect(factsFromJson(factsToJson(grown)).crash).toEqual(grown.crash);
    }
  });

  test("cost so much a range, or more with each range", () => {
    const linear = (count: number) => 40 + 0.01 * count;
    const quadratic = (count: number) => linear(count) + 8e-6 * count ** 2;
    const verdict = (cost: (count: number) => number) =>
      linearGrowth(cost(16), cost(4096), cost(16384)).met;
    expect(verdict(linear)).toBe(true);
    expect(verdict(quadratic)).toBe(false);
  });
});

describe("downtime", () => {
  const second = { tsc: "7500", "boottime-ns": "1750", release: "6.1.0", end: "yes" };
  const ended = (change: Readonly<Record<string, string>>) => ({
    first: new Map([["reboot-tsc", "1000"]]),
    second: new Map(Object.entries({ ...second, ...change })),
    logPath: "/log",
  });

  test("from the call to /init, and what was before the kernel's clock", () => {
    expect(downtimeOf(ended({}), "6.1.0")).toEqual({ total: 6500, beforeClock: 4750 });
  });

  test("of another kernel, or without a number, it is refused with the log's path", () => {
    expect(() => downtimeOf(ended({}), "6.12.0")).toThrow(/6\.1\.0, and not 6\.12\.0.*\/log/);
    expect(() => downtimeOf(ended({ tsc: "late" }), "6.1.0")).toThrow(/tsc=late.*\/log/);
  });

  test("two runs differ by so much of the total, and by more than 0.5 % they are refused", () => {
    const one = { total: 100_000, beforeClock: 50_000 };
    const difference = (total: number, beforeClock: number) =>
      differenceOf("a load", one, { total, beforeClock });
    expect(difference(100_500, 50_010)).toBe(0.005);
    expect(difference(100_010, 50_500)).toBe(0.005);
    expect(() => difference(99_499, 50_000)).toThrow("0.501 %");
    expect(() => difference(100_000, 49_499)).toThrow("0.501 %");
  });
});
