/**
 * What each main option, and each two of them in either order, make happen. The table is written
 * out from kexec-tools' main(); a `*` marks where onekexec does otherwise on purpose.
 */

import { describe, expect, test } from "bun:test";
import { toRequest } from "../../src/cli/to-request.ts";
import type { Steps } from "../../src/model/request.ts";

const STEPS = ["status", "unload", "load", "shutdown", "sync", "ifdown", "exec"] as const;

/** options → steps, then the purpose if it is "crash". */
const TABLE: Record<string, string> = {
  "": "load shutdown sync",
  "-l": "load sync",
  "-p": "load crash",
  "-u": "unload",
  "-e": "sync ifdown exec",
  "-f": "load sync ifdown exec",
  "-S": "status crash",

  "-l -l": "load sync",
  "-l -p": "load crash",
  "-l -u": "unload",
  "-l -e": "sync ifdown exec",
  "-l -f": "load sync ifdown exec",
  "-l -S": "status",

  "-p -l": "load crash",
  "-p -p": "load crash",
  "-p -u": "unload crash",
  "-p -e": "sync ifdown exec crash",
  "-p -f": "load sync ifdown exec crash",
  "-p -S": "status crash",

  "-u -l": "unload load",
  "-u -p": "unload load crash",
  "-u -u": "unload",
  "-u -e": "unload sync ifdown exec",
  "-u -f": "unload load sync ifdown exec",
  "-u -S": "status crash",

  "-e -l": "load sync", // * kexec-tools also takes the interfaces down, and stays
  "-e -p": "load crash", // * the same
  "-e -u": "unload", // * kexec-tools starts what it just unloaded
  "-e -e": "sync ifdown exec",
  "-e -f": "load sync ifdown exec",
  "-e -S": "status crash",

  "-f -l": "load sync", // * kexec-tools also takes the interfaces down, and stays
  "-f -p": "load crash", // * the same
  "-f -u": "unload", // * kexec-tools reboots into nothing
  "-f -e": "sync ifdown exec",
  "-f -f": "load sync ifdown exec",
  "-f -S": "status crash",

  "-S -l": "status",
  "-S -p": "status crash",
  "-S -u": "status crash",
  "-S -e": "status crash",
  "-S -f": "status crash",
  "-S -S": "status crash",

  "-u -l -u": "unload",
  "-f -u -l": "unload load",
  "-l -S -p": "status crash",
  "-S -d": "status crash", // * kexec-tools looks at the other image because of -d
  "-d -S -l": "status",
};

/** The steps of a request in words, as the table has them. */
function happening(argv: readonly string[]): string {
  const request = toRequest({ argv0: "kexec", argv: [...argv, "KERNEL"], env: () => undefined });
  if (request.action !== "run") return request.action;
  const steps = STEPS.filter((step) => request.steps[step]);
  return [...steps, ...(request.purpose === "crash" ? ["crash"] : [])].join(" ");
}

const has = (words: string, word: string) => words.split(" ").includes(word);
const argvOf = (options: string) => options.split(" ").filter((word) => word !== "");

describe("main options", () => {
  test("the table has every two of them", () => {
    const actions = ["-l", "-p", "-u", "-e", "-f", "-S"];
    const missing = actions
      .flatMap((first) => actions.map((second) => `${first} ${second}`))
      .filter((pair) => TABLE[pair] === undefined);
    expect(missing).toEqual([]);
  });

  test.each(Object.entries(TABLE))("kexec %s KERNEL: %s", (options, expected) => {
    expect(happening(argvOf(options))).toBe(expected);
  });

  test("-x and -y take ifdown and sync away, wherever they stand", () => {
    for (const [options, expected] of Object.entries(TABLE)) {
      const without = (...words: string[]) =>
        expected
          .split(" ")
          .filter((word) => !words.includes(word))
          .join(" ");
      const argv = argvOf(options);
      for (const place of [0, argv.length]) {
        expect(happening(argv.toSpliced(place, 0, "-x"))).toBe(without("ifdown"));
        expect(happening(argv.toSpliced(place, 0, "-y"))).toBe(without("sync"));
        expect(happening(argv.toSpliced(place, 0, "-xy"))).toBe(without("sync", "ifdown"));
      }
    }
  });

  test("nothing is started or taken down after -u, unless asked for again", () => {
    const never: readonly (keyof Steps)[] = ["shutdown", "sync", "ifdown", "exec", "load"];
    for (const before of ["", "-l", "-e", "-f", "-p -e", "-f -e", "-l -f"]) {
      const words = happening([...argvOf(before), "-u"]);
      expect(never.filter((step) => has(words, step))).toEqual([]);
    }
  });
});
