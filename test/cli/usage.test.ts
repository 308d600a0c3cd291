import { describe, expect, test } from "bun:test";
import { OPTIONS, type Option } from "../../src/cli/options.ts";
import { spelling, usageText } from "../../src/cli/usage.ts";
import { VERSION, versionLine } from "../../src/cli/version.ts";

const TYPES = [
  { name: "bzImage64", options: ["command-line", "append", "reuse-cmdline", "initrd", "ramdisk"] },
  { name: "nbi-x86", options: [] },
];
const lines = usageText(TYPES, "9.8.7").split("\n");
const from = (heading: string) => lines.slice(lines.indexOf(heading) + 1);
/** The rows of a section: up to the next empty line. */
const section = (heading: string) => {
  const rest = from(heading);
  return rest.slice(0, rest.indexOf(""));
};

describe("-v", () => {
  test("begins as kexec-tools' does", () => {
    expect(versionLine("1.2.3")).toBe("kexec-tools 2.0.32 (onekexec 1.2.3)");
    expect(versionLine()).toBe(`kexec-tools 2.0.32 (onekexec ${VERSION})`);
    expect(VERSION).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe("-h", () => {
  test("has kexec-tools' lines that scripts look for", () => {
    expect(lines.slice(0, 2)).toEqual([versionLine("9.8.7"), "Usage: kexec [OPTION]... [kernel]"]);
    expect(lines).toContain("Supported kernel file types and options: ");
    expect(lines).toContain("Architecture options: ");
    expect(lines.slice(-2)).toEqual(["", ""]);
  });

  test("lists every option with its letter in the section of its scope", () => {
    const headings: Record<Option["scope"], string> = {
      general: "",
      arch: "Architecture options: ",
      loader: "Supported kernel file types and options: ",
      own: "Options that only onekexec has: ",
    };
    for (const option of OPTIONS) {
      if (option.scope === "loader") continue;
      const letter = option.short === null ? "    " : `-${option.short}, `;
      const label = ` ${letter}${spelling(option)}`;
      const rows = section(headings[option.scope]);
      expect(rows.filter((row) => row.startsWith(`${label} `))).toHaveLength(1);
    }
  });

  test("lists the image types in their order, each with its options", () => {
    const rows = section("Supported kernel file types and options: ");
    expect(rows[0]).toBe("bzImage64");
    expect(
      rows.filter((row) => row.startsWith("    --")).map((row) => row.trim().split(" ")[0]),
    ).toEqual([
      "--command-line=STRING",
      "--append=STRING",
      "--reuse-cmdline",
      "--initrd=FILE",
      "--ramdisk=FILE",
    ]);
    expect(rows.at(-1)).toBe("nbi-x86");
    expect(() => usageText([{ name: "x", options: ["bogus"] }])).toThrow(RangeError);
  });

  test("fits a console, and keeps labels and descriptions apart", () => {
    for (const line of usageText([{ name: "all", options: OPTIONS.map(({ name }) => name) }]).split(
      "\n",
    )) {
      expect(line.length).toBeLessThan(80);
      if (line.startsWith(" ")) expect(line).toMatch(/^.{29} \S/);
    }
  });
});

test("spelling shows what an option takes", () => {
  const spell = (name: string) => OPTIONS.filter((option) => option.name === name).map(spelling);
  expect(spell("load")).toEqual(["--load"]);
  expect(spell("initrd")).toEqual(["--initrd=FILE"]);
  expect(spell("dry-run")).toEqual(["--dry-run[=text|json]"]);
});
