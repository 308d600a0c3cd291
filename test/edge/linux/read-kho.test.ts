import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { readFacts } from "../../../src/edge/linux/read-facts.ts";
import { makeTree, u64 } from "../../facts/make-tree.ts";
import { sentencesOf } from "../../facts/sentences.ts";
import {
  type Files,
  fakeRoot,
  LINUX,
  MEMMAP,
  quiet,
  read,
  removeFakeRoots,
} from "./fake-machine.ts";

afterAll(removeFakeRoots);

const OUT: Files = {
  "sys/kernel/debug/kho/out/scratch_phys": "0x1000000\n0x20000000\n",
  "sys/kernel/debug/kho/out/scratch_len": "0x200000\n0x1000000\n",
};
const TREE = makeTree({
  name: "",
  nodes: [{ name: "oops", properties: { start: u64(0x30000000n), size: u64(0x100000n) } }],
});
const SCRATCH = [
  { start: 0x1000000n, end: 0x1200000n },
  { start: 0x20000000n, end: 0x21000000n },
];

const khoOf = (...files: Files[]) => read(LINUX, MEMMAP, ...files).kho;
const commandLine = (text: string): Files => ({ "proc/cmdline": `${text}\n` });

describe("kexec handover", () => {
  test("is off where the kernel knows nothing of it, or is told so", () => {
    expect(khoOf()).toBeNull();
    expect(khoOf(commandLine("kho=off"), { "dev/liveupdate": "" })).toBeNull();
  });

  test("has its areas in debugfs, whatever the command line says", () => {
    const trees = { "sys/kernel/debug/kho/out/sub_fdts/memblock": TREE };
    expect(khoOf(OUT, trees)).toEqual({
      scratch: SCRATCH,
      kept: [{ start: 0x30000000n, end: 0x30100000n }],
    });
  });

  test("is found wherever debugfs is mounted", () => {
    const elsewhere = Object.fromEntries(
      Object.entries(OUT).map(([path, text]) => [path.replace("sys/kernel/debug", "d"), text]),
    );
    const mounts = { "proc/mounts": "debugfs /d debugfs rw 0 0\n" };
    expect(khoOf(elsewhere, mounts)).toEqual({ scratch: SCRATCH, kept: [] });
  });

  test.each<[string, Files]>([
    ["kho=on", commandLine("quiet kho=on")],
    ["its device", { "dev/liveupdate": "" }],
  ])("is on by %s where debugfs is not mounted, and its areas are not known", (_, files) => {
    expect(khoOf(files)).toEqual({ scratch: null, kept: [] });
  });

  test.each([
    ["off", "", null],
    ["on", "kho=on", { scratch: null, kept: [] }],
  ])("is %s by the command line where debugfs may not be seen", (_, words, kho) => {
    const root = fakeRoot(LINUX, MEMMAP, commandLine(words));
    // realpath(3) fails with ELOOP, as with EACCES for a user other than root.
    for (const folder of ["sys/kernel/debug", "dev"]) mkdirSync(join(root, folder));
    symlinkSync("kho", join(root, "sys/kernel/debug/kho"));
    symlinkSync("liveupdate", join(root, "dev/liveupdate"));
    expect(readFacts({ ...quiet, root }).kho).toEqual(kho);
  });

  test("whose files are damaged is on, and a note says what is wrong", () => {
    const files = {
      "sys/kernel/debug/kho/out/scratch_phys": "0x1000\n",
      "sys/kernel/debug/kho/out/scratch_len": "\n",
      "sys/kernel/debug/kho/out/sub_fdts/memblock": "nothing",
    };
    const facts = read(LINUX, MEMMAP, files);
    expect(facts.kho).toEqual({ scratch: null, kept: [] });
    const notes = sentencesOf(facts).join("\n");
    expect(notes).toContain("scratch_phys and scratch_len do not describe the same areas");
    expect(notes).toContain("cut short");
  });
});
