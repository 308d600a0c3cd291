/** Xen, loaded from bare Linux by both versions of multiboot, comes up with its dom0, whose kernel
 * may be compressed. */

import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { packedBy } from "../wrapper/make-wrapped.ts";
import { bootMachine, DOM0_CONSOLE, debianKernel, debianXen, type MachineRun } from "./machine.ts";
import { IN_VM } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";
import { xenMachineArguments } from "./xen.ts";

const LOADER = IN_VM.onekexec;
const XEN = "/boot/xen";
const XEN_WORDS = "com1=115200,8n1 console=com1 loglvl=all dom0_mem=1024M";
const SECOND = `${DOM0_CONSOLE} second`;
/** Xen itself expands no bzip2. */
const PACKED = "/boot/vmlinuz.bz2";

const loadWords = (kernel: string): string =>
  [
    `-l ${XEN} --command-line="${XEN_WORDS}"`,
    `--module="${kernel} ${SECOND}" --module=${IN_VM.initrd}`,
  ].join(" ");

/** What Xen prints of its command line, its own name left out. */
function expectDom0(run: MachineRun): void {
  expect(run.runs.get("load")).toMatchObject({ status: 0 });
  const words = run.lines.map(({ text }) => text);
  expect(words).toContainEqual(expect.stringContaining(`Command line: ${XEN_WORDS}`));
  expectSecondKernel(run, SECOND);
}

beforeAll(() => buildKexec(), VM_TIMEOUT);

describe("Xen from bare Linux", () => {
  test.each([
    ["multiboot2", "-a", IN_VM.kernel],
    ["multiboot2-segments", "-c", PACKED],
    ["multiboot1", "-c -t multiboot-x86", IN_VM.kernel],
  ])(
    "%s: %s, %s",
    async (name, options, kernel) => {
      const { hypervisor } = debianXen();
      const packed = packedBy(["bzip2", "-c"], readFileSync(debianKernel().vmlinuz));
      const run = await bootMachine({
        kexec: KEXEC,
        name: `xen-by-${name}`,
        memory: 2048,
        qemuArguments: xenMachineArguments({}),
        extraFiles: [
          { path: XEN, data: new Uint8Array(readFileSync(hypervisor)), mode: 0o644 },
          { path: PACKED, data: packed, mode: 0o644 },
        ],
        caseScript: `run load ${LOADER} ${options} ${loadWords(kernel)}\nrun exec ${LOADER} -e\n`,
      });
      withLog(run, () => expectDom0(run));
    },
    VM_TIMEOUT,
  );
});
