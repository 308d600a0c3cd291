/**
 * Properties of the option table. test/conformance/options.test.ts holds it against what
 * kexec-tools itself prints.
 */

import { describe, expect, test } from "bun:test";
import { getopt } from "../../src/cli/getopt.ts";
import { KEXEC_TOOLS_OPTIONS, OPTIONS, OWN_OPTIONS } from "../../src/cli/options.ts";
import type { Option } from "../../src/model/option.ts";

const TABLE: readonly Option[] = OPTIONS;

describe("the option table", () => {
  test("has the letters of h?vdfixyluet:pscaS, with their colons", () => {
    const letters = (options: readonly Option[]) =>
      options.flatMap(({ short, argument }) =>
        short === null ? [] : [short + (argument === "required" ? ":" : "")],
      );
    const expected = "h v d f i x y l u e t: p s c a S".split(" ");
    expect(letters(TABLE).toSorted()).toEqual(expected.toSorted());
    expect(letters(OWN_OPTIONS)).toEqual([]);
  });

  test("has each name and each letter once", () => {
    const names = TABLE.map(({ name }) => name);
    const letters = TABLE.map(({ short }) => short).filter((short) => short !== null);
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(letters).size).toBe(letters.length);
  });

  test("has synonyms that take the same argument as the option that they stand for", () => {
    const synonyms = TABLE.filter(({ name, synonymOf }) => name !== synonymOf);
    expect(synonyms.map(({ name, synonymOf }) => `${name} is ${synonymOf}`)).toEqual([
      "append is command-line",
      "ramdisk is initrd",
    ]);
    for (const { argument, synonymOf, scope } of synonyms) {
      expect(TABLE.find(({ name }) => name === synonymOf)).toMatchObject({ argument, scope });
    }
  });

  test("general options before those of architectures before those of loaders", () => {
    const scopes = KEXEC_TOOLS_OPTIONS.map(({ scope }) => scope);
    const groups = scopes.filter((scope, i) => scope !== scopes[i - 1]);
    expect(groups).toEqual(["general", "arch", "loader"]);
    expect(new Set(OWN_OPTIONS.map(({ scope }) => scope))).toEqual(new Set(["own"]));
  });

  test("all of a loader's options need something to load, and no general one does", () => {
    for (const { name, scope, onlyWithLoad } of TABLE) {
      if (scope !== "arch")
        expect({ name, onlyWithLoad }).toEqual({ name, onlyWithLoad: scope === "loader" });
    }
    // Those of x86 that the kernel is told; the others are the purgatory's. [kexec-tools]
    expect(
      TABLE.filter((o) => o.scope === "arch" && o.onlyWithLoad).map(({ name }) => name),
    ).toEqual(["pass-memmap-cmdline", "noefi", "reuse-video-type"]);
  });

  test("names every argument, and no other", () => {
    for (const { name, argument, argumentName } of TABLE) {
      expect({ name, named: argumentName !== "" }).toEqual({ name, named: argument !== "none" });
    }
  });

  test("has own options that their names reach, though kexec-tools' rows come first", () => {
    for (const { name, argument } of OWN_OPTIONS) {
      const word = argument === "none" ? `--${name}` : `--${name}=x`;
      const line = { argv0: "kexec", argv: [word], posixlyCorrect: false };
      expect(getopt(line).events).toMatchObject([{ kind: "option", option: { name } }]);
    }
  });
});
