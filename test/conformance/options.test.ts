/**
 * The option table beside what kexec-tools prints of its own: its help has the letter, the argument
 * and the section of each option, and getopt's messages about abbreviations have the order.
 */

import { describe, expect, test } from "bun:test";
import { KEXEC_TOOLS_OPTIONS } from "../../src/cli/options.ts";
import type { Option, OptionScope } from "../../src/model/option.ts";
import { runKexec } from "./harness.ts";
import { KEXEC_TOOLS } from "./programs.ts";

const TABLE: readonly Option[] = KEXEC_TOOLS_OPTIONS;

/** What kexec-tools takes and its help does not name, in some releases or in all. */
const NOT_IN_HELP = [
  "elf32-core-headers",
  "elf64-core-headers",
  "dtb",
  "hotplug",
  "no-cma",
  "force-dtb",
];

interface HelpRow {
  readonly name: string;
  readonly short: string | null;
  readonly takesArgument: boolean;
  readonly scope: OptionScope;
}

/** The rows of kexec-tools' help, each option once. */
async function helpRows(): Promise<ReadonlyMap<string, HelpRow>> {
  const { stdout } = await runKexec(KEXEC_TOOLS, ["-h"]);
  const rows = new Map<string, HelpRow>();
  let scope: OptionScope = "general";
  for (const line of stdout.split("\n")) {
    if (line.startsWith("Supported kernel file types")) scope = "loader";
    if (line.startsWith("Architecture options")) scope = "arch";
    const [, short = null, name, equals] =
      /^ +(?:-(\w), )? *--([a-z0-9][a-z0-9-]*)(=?)/.exec(line) ?? [];
    if (name !== undefined) rows.set(name, { name, short, takesArgument: equals === "=", scope });
  }
  return rows;
}

describe("kexec-tools' help", () => {
  test("has each option as the table has it", async () => {
    const rows = await helpRows();
    const ours = TABLE.filter(({ name }) => rows.has(name)).map(
      ({ name, short, argument, scope }): HelpRow => ({
        ...{ name, short, scope },
        takesArgument: argument === "required",
      }),
    );
    const byName = (a: HelpRow, b: HelpRow) => (a.name < b.name ? -1 : 1);
    expect(ours.toSorted(byName)).toEqual([...rows.values()].toSorted(byName));
    expect(rows.size).toBeGreaterThan(35);
  });

  test("lacks no option of the table but those that it never names", async () => {
    const rows = await helpRows();
    const unnamed = TABLE.map(({ name }) => name).filter((name) => !rows.has(name));
    expect(unnamed.filter((name) => !NOT_IN_HELP.includes(name))).toEqual([]);
  });
});

/** Those with which several options begin. Not e, f and l: what might mean -e, -f or
 * --load-jump-back-helper is never tried. */
const LETTERS = [..."ackmnprs"];

describe("an ambiguous abbreviation", () => {
  test.each(LETTERS)("--%s lists the options in the order of the table", async (letter) => {
    const { stderr } = await runKexec(KEXEC_TOOLS, [`--${letter}`]);
    const [message = ""] = stderr.split("\n").filter((line) => line.includes("possibilities:"));
    const listed = [...message.matchAll(/'--([a-z0-9-]+)'/g)]
      .map((match) => match[1] ?? "")
      .slice(1);
    const places = listed.map((name) => TABLE.findIndex((option) => option.name === name));
    expect(places.length).toBeGreaterThan(1);
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  });
});
