/** A process that writes to the initrd while it is loaded. Nothing is loaded. */

import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "../built/built-file.ts";
import { parseStepped, versionsOf } from "../built/stepped-load.ts";
import { difference } from "./differences.ts";
import { KERNEL } from "./inputs.ts";
import { KEXEC_TOOLS, ONEKEXEC } from "./programs.ts";

const folder = mkdtempSync(join(tmpdir(), "onekexec-writers-"));
afterAll(() => rmSync(folder, { recursive: true }));
const stepLoad = compile("step-load", folder);
const initrd = join(folder, "initrd");
const { old } = versionsOf(3_000_001);

/** Appends to the initrd at a step of a load that succeeds: whether the writer waited. */
function writerWaits(program: string, step: number): boolean {
  writeFileSync(initrd, old);
  // A machine that is busy needs time to start a shell.
  const own = ["-f", "-W", "3000", "-o", join(folder, "output"), "-i", initrd, "-n", `${step}`];
  const words = [
    ...own,
    "-c",
    'echo more >>"$0"',
    program,
    "-c",
    "-l",
    `--initrd=${initrd}`,
    KERNEL,
  ];
  const { exitCode, stdout, stderr } = Bun.spawnSync([stepLoad, ...words]);
  expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: "" });
  const { writer, waited } = parseStepped(stdout.toString());
  expect(writer).toBe(0);
  return waited;
}

test("a process that opens the initrd for writing waits for the load", () => {
  difference("writers");
  const steps = [1, 3, 5, 6];
  expect(steps.map((step) => writerWaits(KEXEC_TOOLS, step))).not.toContain(true);
  expect([1, 8, 12].map((step) => writerWaits(ONEKEXEC, step))).toEqual([false, true, true]);
}, 600_000);
