/**
 * A segment that changes between loading and starting never runs: the purgatory stops the machine
 * and says which. The machine's memory is a file of the host, in which the test flips one bit of
 * the loaded initrd, wherever it lies.
 */

import { describe, expect, test } from "bun:test";
import { closeSync, fstatSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KEXEC } from "../../scripts/build.ts";
import { bootMachine, CONSOLE, type MachineRun } from "./machine.ts";
import { IN_VM, PROOF_SHA256, proof } from "./rig.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const MEMORY_MIB = 1024;
/** In a file of the guest; the host writes GO over WAIT, in the guest's memory. */
const FLAG = "the host says WAIT 2f8c41d09be7";
const GO = "the host says GO!! 2f8c41d09be7";
/** One page of what both the loaded initrd and nothing of the kernel's own has. */
const MARK = Buffer.from(proof.subarray(0x40000, 0x40040));
const MISMATCH = /sha256 digests do not match :\( region 1 of 3, .* the kernel is not started/;

const SERIAL = "--console-serial --serial=ttyS0";
const APPEND = `--append="${CONSOLE} second"`;

function caseScript(options: string): string {
  return `
run load kexec -c -l ${options} ${SERIAL} ${IN_VM.kernel} --initrd=${IN_VM.initrd} ${APPEND}
echo "READY FOR THE HOST"
until grep -q "GO!!" /flag; do sleep 1; done
run exec kexec -e
`;
}

/** Calls `found` with each place of `wanted` in a file. */
function eachPlace(fd: number, wanted: Buffer, found: (at: number) => void): void {
  const step = 64 << 20;
  const chunk = Buffer.alloc(step + wanted.length);
  for (let base = 0; base < fstatSync(fd).size; base += step) {
    const bytes = chunk.subarray(0, readSync(fd, chunk, 0, chunk.length, base));
    for (let at = bytes.indexOf(wanted); at >= 0 && at < step; at = bytes.indexOf(wanted, at + 1)) {
      found(base + at);
    }
  }
}

/** Flips one bit of every copy of the mark, then lets the guest go on. Returns how many copies. */
function corrupt(path: string): number {
  const fd = openSync(path, "r+");
  try {
    let places = 0;
    eachPlace(fd, MARK, (at) => {
      writeSync(fd, Buffer.of((MARK[0] ?? 0) ^ 1), 0, 1, at);
      places += 1;
    });
    eachPlace(fd, Buffer.from(FLAG), (at) => {
      writeSync(fd, Buffer.from(GO), 0, GO.length, at);
    });
    return places;
  } finally {
    closeSync(fd);
  }
}

async function bootCorrupted(name: string, options: string, lastLine?: RegExp) {
  const ram = join(tmpdir(), `onekexec-${name}-${process.pid}.ram`);
  let places = 0;
  try {
    const run = await bootMachine({
      name,
      kexec: KEXEC,
      memory: MEMORY_MIB,
      caseScript: caseScript(options),
      extraFiles: [{ path: "/flag", data: `${FLAG}\n` }],
      qemuArguments: [
        ...["-object", `memory-backend-file,id=ram,size=${MEMORY_MIB}M,mem-path=${ram},share=on`],
        ...["-machine", "pc,memory-backend=ram"],
      ],
      onLine: ({ text }) => {
        if (text === "READY FOR THE HOST") places = corrupt(ram);
      },
      ...(lastLine === undefined ? {} : { lastLine }),
    });
    return { run, places };
  } finally {
    rmSync(ram, { force: true });
  }
}

function loaded(run: MachineRun): void {
  expect(run.runs.get("load")).toMatchObject({ status: 0, output: "" });
}

describe("an initrd that changed after it was loaded", () => {
  test.concurrent(
    "is found by the purgatory, which says so and starts nothing",
    async () => {
      const { run, places } = await bootCorrupted("corrupted", "", MISMATCH);
      withLog(run, () => {
        loaded(run);
        expect(places).toBeGreaterThan(0);
        const words = run.lines.map(({ text }) => text);
        expect(words.filter((text) => text.includes("I'm in purgatory"))).toHaveLength(1);
        expect(words.filter((text) => MISMATCH.test(text))).toHaveLength(1);
        expect(run.secondUpAt).toBeNull();
        expect(words.at(-1)).toMatch(MISMATCH);
      });
    },
    VM_TIMEOUT,
  );

  test.concurrent(
    "reaches the next kernel with --no-checks: nothing else had stopped it",
    async () => {
      const { run, places } = await bootCorrupted("corrupted-unchecked", "-i");
      withLog(run, () => {
        loaded(run);
        expect(places).toBeGreaterThan(0);
        expect(run.second.get("cmdline")).toBe(`${CONSOLE} second`);
        expect(run.second.get("proof")).not.toBe(PROOF_SHA256);
      });
    },
    VM_TIMEOUT,
  );
});
