/** The guard that keeps the conformance tests from stopping the machine that they run on. */

import { describe, expect, test } from "bun:test";
import { getopt } from "../../src/cli/getopt.ts";
import { KEXEC_TOOLS_OPTIONS } from "../../src/cli/options.ts";
import { assertHarmless } from "./guard.ts";
import { runKexec } from "./harness.ts";

const refused = (argv: readonly string[]) => () => assertHarmless(argv);

const DANGEROUS: readonly (readonly string[])[] = [
  ["-e"],
  ["-f"],
  ["-u", "-f"],
  ["-uf"],
  ["-le"],
  ["-l", "-e"],
  ["-l", "vmlinuz", "-e"],
  ["-dxyie"],
  ["--exec"],
  ["--exe"],
  ["--e"],
  ["--exec-live-update"],
  ["--exec-l"],
  ["--force"],
  ["--f"],
  ["--for"],
  ["--load-jump-back-helper"],
  ["--load-j"],
  ["-x", "--load-jump-back-helper"],
  ["-u", "--", "-f"],
  ["-v", "--exec"],
  ["-S", "-t", "-e"],
  ["--=x"],
  // What might be a bare kernel.
  ["vmlinuz"],
  ["-"],
  [""],
  ["--", "-x"],
  ["-d", "vmlinuz"],
  ["-s", "vmlinuz"],
  ["-tl", "vmlinuz"],
  ["-t", "-l", "vmlinuz"],
  ["--append", "-l", "vmlinuz"],
  ["--type", "--load", "vmlinuz"],
  ["--command-line=x", "vmlinuz"],
  ["--dry-run", "vmlinuz"],
  ["--dry-run", "-l", "vmlinuz"],
  ["--unknown", "-l", "vmlinuz"],
  // With POSIXLY_CORRECT, options after the kernel are no options.
  ["vmlinuz", "-l"],
  ["-d", "vmlinuz", "-l"],
];

const HARMLESS: readonly (readonly string[])[] = [
  [],
  ["-v"],
  ["-h"],
  ["-S"],
  ["-u"],
  ["-p", "-u"],
  ["-u", "-p"],
  ["--unknown"],
  ["-Z"],
  ["--append"],
  ["-t"],
  ["-l", "vmlinuz"],
  ["-l", "--dry-run", "vmlinuz"],
  ["-c", "-l", "vmlinuz", "--initrd=x", "--append", "x y"],
  ["--append=quiet -e", "-cl", "vmlinuz"],
  ["--load", "vmlinuz", "--entry-32bit"],
  ["--load-panic", "vmlinuz"],
];

describe("refuses, and runs nothing", () => {
  for (const argv of DANGEROUS) {
    test(argv.join(" "), () => {
      expect(refused(argv)).toThrow("outside a virtual machine");
      // The harness asks before it looks for the program, so this cannot run anything.
      expect(() => runKexec("/nonexistent/kexec", argv)).toThrow("outside a virtual machine");
    });
  }
});

describe("lets pass", () => {
  for (const argv of HARMLESS) test(argv.join(" "), refused(argv));
});

/** What decides: does this command line, read by getopt, lead to more than loading? */
function endsHarmless(argv: readonly string[], posixlyCorrect: boolean): boolean {
  let shutdown = true;
  const { events, operands } = getopt({ argv0: "kexec", argv, posixlyCorrect }, [
    KEXEC_TOOLS_OPTIONS,
  ]);
  for (const event of events) {
    if (event.kind === "error") return true;
    const { name } = event.option;
    if (name === "help" || name === "version" || name === "status") return true;
    if (["exec", "force", "exec-live-update", "load-jump-back-helper"].includes(name)) return false;
    if (["load", "unload", "load-panic"].includes(name)) shutdown = false;
  }
  return !shutdown || operands.length === 0;
}

test("every short command line that passes is harmless as getopt reads it", () => {
  const words = [
    "-l",
    "-u",
    "-S",
    "-e",
    "-f",
    "-t",
    "-d",
    "-p",
    "-lf",
    "-tl",
    "-td",
    "--",
    "-",
    "k",
  ];
  words.push("--append", "--app=x", "--load", "--l", "--ex", "--load-j", "--type", "--st", "--fo");
  let passed = 0;
  for (const a of words) {
    for (const b of words) {
      for (const c of words) {
        const argv = [a, b, c];
        try {
          assertHarmless(argv);
        } catch {
          continue;
        }
        passed += 1;
        for (const posixlyCorrect of [false, true]) {
          const verdict = { argv, posixlyCorrect, harmless: endsHarmless(argv, posixlyCorrect) };
          expect(verdict).toEqual({ argv, posixlyCorrect, harmless: true });
        }
      }
    }
  }
  expect(passed).toBeGreaterThan(500);
});
