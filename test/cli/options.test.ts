import { describe, expect, test } from "bun:test";
import { getopt } from "../../src/cli/getopt.ts";
import { KEXEC_TOOLS_OPTIONS, OPTIONS, type Option, OWN_OPTIONS } from "../../src/cli/options.ts";

/** The options of kexec-tools on x86_64 in its order; `=` takes an argument; then the letter. */
const GENERAL = `help h, version v, force f, no-checks i, no-ifdown x, no-sync y, load l, unload u,
  exec e, exec-live-update, load-preserve-context, load-jump-back-helper, load-live-update, entry=,
  type= t, load-panic p, mem-min=, mem-max=, reuseinitrd, kexec-file-syscall s, kexec-syscall c,
  kexec-syscall-auto a, debug d, status S, print-ckr-size, hotplug, no-cma, force-dtb`;
const ARCH = `reset-vga, serial=, serial-baud=, console-vga, console-serial, elf32-core-headers,
  elf64-core-headers, pass-memmap-cmdline, noefi, reuse-video-type`;
const LOADER = `command-line=, append=, reuse-cmdline, initrd=, ramdisk=, args-elf, args-linux,
  args-none, module=, real-mode, entry-32bit, dtb=`;

const rows = (text: string) => text.split(",").map((row) => row.trim());
const describeRow = ({ name, short, argument }: Option) =>
  `${name}${argument === "required" ? "=" : ""}${short === null ? "" : ` ${short}`}`;
const ofScope = (scope: string) =>
  KEXEC_TOOLS_OPTIONS.filter((option) => option.scope === scope).map(describeRow);

describe("the option table", () => {
  test("has kexec-tools' options in kexec-tools' order", () => {
    expect(KEXEC_TOOLS_OPTIONS.map(describeRow)).toEqual([GENERAL, ARCH, LOADER].flatMap(rows));
    expect(ofScope("general")).toEqual(rows(GENERAL));
    expect(ofScope("arch")).toEqual(rows(ARCH));
    expect(ofScope("loader")).toEqual(rows(LOADER));
  });

  test("has the letters of h?vdfixyluet:pscaS, with their colons", () => {
    const letters = (options: readonly Option[]) =>
      options.flatMap(({ short, argument }) =>
        short === null ? [] : [short + (argument === "required" ? ":" : "")],
      );
    const expected = "h v d f i x y l u e t: p s c a S".split(" ");
    expect(letters(OPTIONS).sort()).toEqual(expected.sort());
    expect(letters(OWN_OPTIONS)).toEqual([]);
  });

  test("has each name and each letter once", () => {
    const names = OPTIONS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  test("has synonyms that take the same argument as the option that they stand for", () => {
    const synonyms: readonly Option[] = OPTIONS.filter(({ name, synonymOf }) => name !== synonymOf);
    expect(synonyms.map(({ name, synonymOf }) => `${name} is ${synonymOf}`)).toEqual([
      "append is command-line",
      "ramdisk is initrd",
    ]);
    for (const { argument, synonymOf, scope } of synonyms) {
      expect(OPTIONS.find(({ name }) => name === synonymOf)).toMatchObject({ argument, scope });
    }
  });

  test("says which options need something to load", () => {
    expect(OPTIONS.filter((option) => option.onlyWithLoad).map(({ name }) => String(name))).toEqual(
      [
        "pass-memmap-cmdline",
        "noefi",
        "reuse-video-type",
        ...rows(LOADER).map((row) => row.replace("=", "")),
      ],
    );
  });

  test("names every argument, and no other", () => {
    for (const { name, argument, argumentName } of OPTIONS) {
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
