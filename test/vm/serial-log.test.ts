/** The serial log of a VM as values. */

import { expect, test } from "bun:test";
import { panicIn, runsOf, type SerialLine, sightOf, untangled } from "./serial-log.ts";

const lines = (...texts: string[]): SerialLine[] =>
  texts.map((text, seconds) => ({ seconds, text }));

test("commands have their status, their output and their times", () => {
  const log = lines("boot", "BEGIN a", "| one", "[ 1.0] printk", "| ", "END a rc=3", "| not its");
  expect([...runsOf(log)]).toEqual([["a", { status: 3, output: "one\n\n", begin: 1, end: 5 }]]);
});

test("a command that does not come back has no status", () => {
  const never = { status: null, end: null };
  expect([...runsOf(lines("BEGIN a", "| x", "BEGIN b", "END b rc=0", "BEGIN c"))]).toEqual([
    ["a", { ...never, output: "x\n", begin: 0 }],
    ["b", { status: 0, output: "", begin: 2, end: 3 }],
    ["c", { ...never, output: "", begin: 4 }],
  ]);
});

test("what a kernel says of itself counts only when it has said everything", () => {
  const log = lines("FIRST efi=no", "SECOND e820=a", "SECOND e820=b=c", "SECOND end=yes");
  expect([...sightOf("SECOND", log)]).toEqual([
    ["e820", "a\nb=c"],
    ["end", "yes"],
  ]);
  expect([...sightOf("FIRST", log)]).toEqual([]);
});

test("a kernel that gives up is found by its words", () => {
  const words = "[ 3.0] Kernel panic - not syncing: VFS: Unable to mount root fs";
  expect(panicIn(lines("a", words, "b"))).toBe(words);
  expect(panicIn(lines("Command line: console=ttyS0 panic=-1"))).toBeUndefined();
});

test("Xen that gives up is found by its words, and a dom0 that takes the machine with it", () => {
  for (const words of [
    "(XEN) Panic on CPU 0:",
    "(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.",
  ]) {
    expect(panicIn(lines("a", words, "(XEN) b"))).toBe(words);
  }
  expect(panicIn(lines("(XEN) Hardware Dom0 crashed: Executing kexec image on cpu0"))).toBe(
    undefined,
  );
});

test("a panic that a second kernel came up after is not the machine's end", () => {
  const words = "[ 3.0] Kernel panic - not syncing: sysrq triggered crash";
  expect(panicIn(lines(words, "SECOND end=yes"))).toBeUndefined();
  expect(panicIn(lines(words, "SECOND efi=no"))).toBe(words);
  expect(panicIn(lines("SECOND end=yes", words))).toBe(words);
});

test("Xen's words are taken out of the line that they fell into", () => {
  const log = lines(
    "BEGIN a",
    "| on(XEN) x",
    "(XEN) y",
    "e t(XEN) z",
    "wo",
    "(XEN) v",
    "END a rc=0",
  );
  const whole = untangled(log);
  expect(whole.map(({ text }) => text)).toEqual([
    ...["BEGIN a", "(XEN) x", "(XEN) y", "(XEN) z", "| one two", "(XEN) v", "END a rc=0"],
  ]);
  expect(runsOf(whole).get("a")).toEqual({ status: 0, output: "one two\n", begin: 0, end: 6 });
  expect(untangled(lines("las(XEN) x")).map(({ text }) => text)).toEqual(["(XEN) x", "las"]);
});
