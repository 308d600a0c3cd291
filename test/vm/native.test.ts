/**
 * A machine that booted: the first kernel runs the kexec under test, the second says what it sees.
 *
 * ONEKEXEC_VM_TOOL=kexec-tools runs the same cases with Debian's kexec-tools: what fails then is a
 * case that asks for more than it can do, or a broken rig.
 */

import { beforeAll, describe, expect, test } from "bun:test";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { bootMachine, CONSOLE, type MachineRun, type MachineSetup } from "./machine.ts";
import { executableInVm, IN_VM } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const WITH_KEXEC_TOOLS = process.env.ONEKEXEC_VM_TOOL === "kexec-tools";
const TOOL = WITH_KEXEC_TOOLS ? IN_VM.kexecTools : IN_VM.onekexec;
const SECOND = `${CONSOLE} second`;
const FILES = `${IN_VM.kernel} --initrd=${IN_VM.initrd}`;
const LOAD = `${FILES} --append="${SECOND}"`;

interface Case extends Partial<MachineSetup> {
  /** What is shown; the log file is `name`. */
  readonly title: string;
  readonly name: string;
  /** What the second kernel's command line must be; SECOND unless given. */
  readonly secondCommandLine?: string;
  /** Without the words of `-e`, which end every case. */
  readonly caseScript: string;
  readonly check?: (run: MachineRun) => void;
}

function statusOf(run: MachineRun, name: string): number | null | undefined {
  return run.runs.get(name)?.status;
}

/** The second kernel is up and found the machine as the first one did. */
function expectSameMachine(run: MachineRun, commandLine: string): void {
  const { first, second } = run;
  const alike = ["release", "cpus", "efi", "runtime-map", "boot-logo", "rsdp", "console"];
  expectSecondKernel(run, commandLine, alike);
  expect(second.get("initrd")).toMatch(/^RAMDISK: \[mem 0x[0-9a-f]+-0x[0-9a-f]+\]$/);
  expect(first.get("rsdp")).toContain("ACPI: RSDP 0x");
  const lost = Number(first.get("memory-kib")) - Number(second.get("memory-kib"));
  expect(Math.abs(lost)).toBeLessThan(4096);
}

async function bootCase({ title: _, secondCommandLine, check, ...setup }: Case): Promise<void> {
  const caseScript = `KEXEC=${TOOL}\n${setup.caseScript}\nrun exec $KEXEC -e\n`;
  const run = await bootMachine({ kexec: KEXEC, ...setup, caseScript });
  withLog(run, () => {
    expectSameMachine(run, secondCommandLine ?? SECOND);
    check?.(run);
  });
}

/** Loads with `options`; that nothing was printed and all went well is checked. */
function loading(options: string, rest = LOAD): Required<Pick<Case, "caseScript" | "check">> {
  return {
    caseScript: `run load $KEXEC ${options} -l ${rest}`,
    check: (run) => expect(run.runs.get("load")).toMatchObject({ status: 0, output: "" }),
  };
}

const STATUS_SCRIPT = `
${WITH_KEXEC_TOOLS ? "" : "run doctor $KEXEC --doctor"}
run nothing $KEXEC -S -l
run nothing-crash $KEXEC -S
run unload-nothing $KEXEC -u
run load $KEXEC -l ${LOAD}
run loaded $KEXEC -S -l
run loaded-crash $KEXEC -S
run kernel-says cat /sys/kernel/kexec_loaded
run unload $KEXEC -u
run unloaded $KEXEC -S -l
run exec-nothing $KEXEC -e
run load-again $KEXEC -l ${LOAD}`;

/** What each command must have ended with. */
const STATUSES = {
  nothing: 0,
  "nothing-crash": 0,
  "unload-nothing": 0,
  load: 0,
  loaded: 1,
  "loaded-crash": 0,
  "kernel-says": 0,
  unload: 0,
  unloaded: 0,
  "exec-nothing": 1,
  "load-again": 0,
} as const;

function checkStatuses(run: MachineRun): void {
  if (!WITH_KEXEC_TOOLS) {
    const { status, output } = run.runs.get("doctor") ?? {};
    expect(status).toBe(0);
    expect(output).toMatch(/^ok +kexec_file_load +can be used$/m);
    expect(output).toMatch(/^ok +kexec_load +can be used$/m);
  }
  const found = Object.keys(STATUSES).map((name) => [name, statusOf(run, name)]);
  expect(Object.fromEntries(found)).toEqual(STATUSES);
  expect(run.runs.get("kernel-says")?.output).toBe("1\n");
  expect(run.runs.get("exec-nothing")?.output).toStartWith("Nothing has been loaded!\n");
}

const FORCE_SCRIPT = `
insmod ${IN_VM.networkDriver}
ip link set eth0 up
run eth0-before cat /sys/class/net/eth0/flags
run force strace -f --seccomp-bpf -e trace=ioctl,sync $KEXEC -f ${LOAD}`;

/** `-f` saves the disks, then takes the network down; that it then starts the kernel is seen. */
function checkForce(run: MachineRun): void {
  expect(run.runs.get("eth0-before")?.output).toBe("0x1003\n");
  const output = run.runs.get("force")?.output ?? "";
  const deeds = [...output.matchAll(/\bsync\(|SIOCSIFFLAGS.*"eth0"/g)];
  expect(deeds.map(([deed]) => deed.slice(0, 5))).toEqual(["sync(", "SIOCS"]);
}

const CASES: readonly Case[] = [
  {
    title: "status, unload, load again, and the default method",
    name: "default",
    caseScript: STATUS_SCRIPT,
    check: checkStatuses,
  },
  { title: "-c: segments laid out by us", name: "segments", ...loading("-c") },
  { title: "-s: the kernel reads the files", name: "files", ...loading("-s") },
  {
    title: "-f: load, sync, take the network down, start",
    name: "force",
    caseScript: FORCE_SCRIPT,
    check: checkForce,
    qemuArguments: ["-nic", "user,model=e1000"],
    extraFiles: executableInVm("strace"),
  },
  {
    title: "-c where no memory is overcommitted: the runtime reserves less",
    name: "overcommit",
    ...loading("-c"),
    caseScript: `echo 2 >/proc/sys/vm/overcommit_memory\n${loading("-c").caseScript}`,
  },
  { title: "-c with 6 GiB", name: "six-gib", memory: 6144, ...loading("-c") },
  { title: "-c with two CPUs", name: "two-cpus", smp: 2, ...loading("-c") },
  { title: "-c after UEFI", name: "uefi-segments", firmware: "uefi", ...loading("-c") },
  { title: "-s after UEFI", name: "uefi-files", firmware: "uefi", ...loading("-s") },
  { title: "-c with kernel 6.12", name: "kernel-6.12", kernel: "6.12", ...loading("-c") },
  {
    title: "--reuse-cmdline: without the boot loader's words, with those of --append at the end",
    name: "reuse-cmdline",
    commandLine: "BOOT_IMAGE=/boot/x root=/dev/nothing quiet",
    secondCommandLine: `${CONSOLE} root=/dev/nothing quiet second`,
    ...loading("-c", `${FILES} --reuse-cmdline --append=second`),
  },
];

beforeAll(() => {
  buildKexec();
});

describe("kexec on Linux, x86_64", () => {
  for (const one of CASES) test.concurrent(one.title, () => bootCase(one), VM_TIMEOUT);
});
