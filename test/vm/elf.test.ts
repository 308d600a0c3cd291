/** ELF images in a machine that booted: vmlinux, told from other executables by itself. */

import { beforeAll, describe, expect, test } from "bun:test";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import {
  bootMachine,
  CONSOLE,
  debianKernel,
  type MachineRun,
  type MachineSetup,
} from "./machine.ts";
import { IN_VM } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { vmlinuxOf } from "./vmlinux.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const VMLINUX = "/boot/vmlinux";
const SECOND = `${CONSOLE} second`;

interface Case extends Partial<MachineSetup> {
  readonly title: string;
  readonly name: string;
  readonly options: string;
}

const CASES: readonly Case[] = [
  { title: "vmlinux with -c", name: "vmlinux-segments", options: "-c" },
  { title: "vmlinux with -a, which goes on to kexec_load", name: "vmlinux-auto", options: "-a" },
  {
    title: "vmlinux after UEFI, its arguments being named",
    name: "vmlinux-uefi",
    firmware: "uefi",
    options: "-c --args-linux",
  },
  {
    title: "vmlinux of 6.12, moved: its own place is forbidden",
    name: "vmlinux-moved",
    kernel: "6.12",
    options: "-c --mem-min=0x8000000",
  },
];

function expectSecond(run: MachineRun): void {
  expect(run.runs.get("load")).toMatchObject({ status: 0 });
  expectSecondKernel(run, SECOND, ["release", "cpus", "efi", "runtime-map", "boot-logo", "rsdp"]);
}

beforeAll(() => buildKexec(), VM_TIMEOUT);

describe("ELF images", () => {
  test.each(CASES.map((c) => [c.title, c] as const))(
    "%s",
    async (_, { title: __, options, ...setup }) => {
      const { vmlinuz } = debianKernel(setup.kernel);
      const load = `${options} -l ${VMLINUX} --initrd=${IN_VM.initrd} --append="${SECOND}"`;
      const run = await bootMachine({
        kexec: KEXEC,
        memory: 2048,
        ...setup,
        extraFiles: [{ path: VMLINUX, data: vmlinuxOf(vmlinuz), mode: 0o644 }],
        caseScript: `run load ${IN_VM.onekexec} ${load}\nrun exec ${IN_VM.onekexec} -e\n`,
      });
      withLog(run, () => expectSecond(run));
    },
    VM_TIMEOUT,
  );
});
