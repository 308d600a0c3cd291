/**
 * What each main option, and each two of them in either order, make happen. The table is written
 * out from kexec-tools' main(); a `*` marks where onekexec does otherwise on purpose.
 */

import { describe, expect, test } from "bun:test";
import type { Step } from "../../src/model/request.ts";
import { happening as allThatHappens, steps } from "./command-lines.ts";

/** What changes something or answers; what refuses before is tested below. */
const SHOWN: readonly string[] = ["status", "unload", "load", "shutdown", "sync", "ifdown", "exec"];

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

function isForCrash(step: Step): boolean {
  if (step.kind === "load") return step.request.purpose === "crash";
  return "purpose" in step && step.purpose === "crash";
}

/** The steps of a request in words, as the table has them. */
function happening(argv: readonly string[]): string {
  const all = steps([...argv, "KERNEL"]);
  const words = all.map(({ kind }) => kind).filter((kind) => SHOWN.includes(kind));
  return [...words, ...(all.some(isForCrash) ? ["crash"] : [])].join(" ");
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
    const never = ["shutdown", "sync", "ifdown", "exec", "load"];
    for (const before of ["", "-l", "-e", "-f", "-p -e", "-f -e", "-l -f"]) {
      const words = happening([...argvOf(before), "-u"]);
      expect(never.filter((step) => has(words, step))).toEqual([]);
    }
  });
});

describe("what can be refused comes before anything is done", () => {
  test.each([
    ["-l K", "check-supported load sync"],
    ["K", "check-supported load require-loaded shutdown sync"],
    ["-e", "check-supported require-loaded sync ifdown exec"],
    ["-u", "unload"],
    ["-d -u", "describe-host unload"],
    ["-u --hotplug", "require-hotplug unload"],
    ["-p -u --reuseinitrd", "refuse-initrd-reuse unload"],
    ["-S --reuseinitrd -d --hotplug", "require-hotplug describe-host status"],
    [
      "-p -u -f -d --hotplug --reuseinitrd --save-facts=F K",
      "save-facts refuse-initrd-reuse check-supported check-supported require-crash-region " +
        "require-hotplug describe-host unload load require-loaded sync ifdown exec",
    ],
    ["--load-jump-back-helper", "check-supported sync jump-back"],
    ["-p", "check-supported require-crash-region usage"],
    ["-u -l", "check-supported unload usage"],
  ])("kexec %s: %s", (line, expected) => {
    expect(allThatHappens(argvOf(line))).toBe(expected);
  });

  test("whether there is something to start is asked of the image that is started", () => {
    const required = (line: string) =>
      steps(argvOf(line)).find(({ kind }) => kind === "require-loaded");
    expect(required("-e")).toMatchObject({ purpose: "normal", unloaded: false });
    expect(required("-p -e")).toMatchObject({ purpose: "normal", unloaded: false });
    expect(required("--exec-live-update")).toMatchObject({ purpose: "live-update" });
    expect(required("-u -e")).toMatchObject({ purpose: "normal", unloaded: true });
    expect(required("-u -f K")).toMatchObject({ purpose: "normal", unloaded: false });
  });
});
