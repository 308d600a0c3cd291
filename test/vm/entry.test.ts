/** Debian's kernel in a machine that booted, entered at its 32-bit entry. */

import { beforeAll, describe, expect, test } from "bun:test";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { bootMachine, CONSOLE, type MachineRun, type MachineSetup } from "./machine.ts";
import { IN_VM } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const SECOND = `${CONSOLE} second`;
const LOAD = `-l ${IN_VM.kernel} --initrd=${IN_VM.initrd} --append="${SECOND}"`;

interface Case extends Partial<MachineSetup> {
  readonly title: string;
  readonly name: string;
  readonly options: string;
}

const CASES: readonly Case[] = [
  { title: "--entry-32bit", name: "entry-32bit", options: "-a --entry-32bit" },
  {
    title: "-t bzImage after UEFI",
    name: "bzimage-uefi",
    firmware: "uefi",
    options: "-c -t bzImage",
  },
  {
    title: "-t bzImage, RAM above 4 GiB",
    name: "bzimage-6g",
    memory: 6144,
    options: "-c -t bzImage",
  },
];

function expectSecond(run: MachineRun): void {
  expect(run.runs.get("load")).toMatchObject({ status: 0 });
  expect(run.runs.get("plan")?.output).toContain(", bzImage, x86_64");
  expectSecondKernel(run, SECOND, ["release", "cpus", "efi", "runtime-maps", "rsdp"]);
}

beforeAll(() => buildKexec(), VM_TIMEOUT);

describe("the 32-bit entry", () => {
  test.each(CASES.map((c) => [c.title, c] as const))(
    "%s",
    async (_, { title: __, options, ...setup }) => {
      const tool = IN_VM.onekexec;
      const load = `${options} ${LOAD}`;
      const run = await bootMachine({
        kexec: KEXEC,
        ...setup,
        caseScript:
          `run plan ${tool} --dry-run ${load}\n` +
          `run load ${tool} ${load}\nrun exec ${tool} -e\n`,
      });
      withLog(run, () => expectSecond(run));
    },
    VM_TIMEOUT,
  );
});
