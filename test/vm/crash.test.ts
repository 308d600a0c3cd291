/**
 * Crash kernels: loaded, the machine crashed, and the crash kernel finds what there was. Debian's
 * vmcore-dmesg reads the log of the one that died; under Xen it finds Xen's vmcoreinfo, and gives
 * up.
 */

import { beforeAll, describe, expect, test } from "bun:test";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { type CpioFile, cpio } from "./cpio.ts";
import { bootMachine, CONSOLE, type MachineRun, type MachineSetup } from "./machine.ts";
import { executableInVm, IN_VM, withLibraries, xenLibraries } from "./rig.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const MARK = "the last word before the crash";
const WORDS = `${CONSOLE} second nr_cpus=1 irqpoll`;
/** The initrd of the crash kernel has vmcore-dmesg too. */
const CRASH_INITRD = "/boot/crash";
const LOAD = `${IN_VM.kernel} --initrd=${CRASH_INITRD} --append="${WORDS}"`;
const CRASH = `
run unloaded kexec -u
run still kexec -S -p
echo "${MARK}" > /dev/kmsg
echo 1 > /proc/sys/kernel/sysrq
echo c > /proc/sysrq-trigger
sleep 60`;

function script(options: string, more = ""): string {
  return `
cat ${IN_VM.initrd} /boot/more > ${CRASH_INITRD}
${more}
run size kexec --print-ckr-size
run none kexec -S -p
run load kexec ${options} -p ${LOAD}
run loaded kexec -S -p
${CRASH}`;
}

/** An archive to put behind the second kernel's initrd: what reads the dump. */
function dumpReader(more: readonly CpioFile[] = []): CpioFile {
  const files = [...executableInVm("vmcore-dmesg"), ...more];
  return { path: "/boot/more", data: Buffer.concat(cpio(files)) };
}

/** And ours: the file under test by another name. */
function ourDumpReader(): CpioFile[] {
  return withLibraries("/opt/onekexec/vmcore-dmesg", KEXEC);
}

interface Case extends Partial<MachineSetup> {
  /** Our vmcore-dmesg is in the crash kernel's initrd too. */
  readonly ours?: boolean;
  readonly name: string;
  readonly caseScript: string;
}

async function crash(one: Case, check: (run: MachineRun) => void): Promise<void> {
  const reader = dumpReader(one.ours ? ourDumpReader() : []);
  const extraFiles = [...(one.extraFiles ?? []), reader];
  const run = await bootMachine({ kexec: KEXEC, ...one, extraFiles });
  withLog(run, () => {
    const { runs } = run;
    expect(runs.get("none")?.status).toBe(0);
    expect(runs.get("load")).toMatchObject({ status: 0, output: "" });
    expect(runs.get("loaded")?.status).toBe(1);
    expect(runs.get("still")?.status).toBe(1);
    expect(run.second.get("end")).toBe("yes");
    check(run);
  });
}

const dumpSize = (run: MachineRun): number => Number(run.second.get("vmcore"));

/** The dump has all RAM but what is reserved, and the log of the kernel that died. */
function expectDump(run: MachineRun, memory: number, reserved: number): void {
  const whole = (memory - reserved) << 20;
  expect(dumpSize(run)).toBeGreaterThan(whole - (64 << 20));
  expect(run.second.get("dmesg-marked")).toBe("1");
}

/** Both programs read the same log in the same dump. */
function expectSameLog({ second }: MachineRun): void {
  const told = ["their-status", "our-status", "our-errors", "same-log"];
  expect(told.map((key) => second.get(key))).toEqual(["0", "0", "", "yes"]);
  expect(Number(second.get("log-bytes"))).toBeGreaterThan(10_000);
}

beforeAll(() => {
  buildKexec();
});

describe("a crash kernel on Linux", () => {
  test.concurrent(
    "-c -p",
    () =>
      crash(
        {
          name: "crash-segments",
          ours: true,
          // Room for the 106 MiB of our file: three times here, packed and unpacked there.
          memory: 2560,
          commandLine: "crashkernel=640M",
          caseScript: script("-c"),
        },
        (run) => {
          expect(run.runs.get("size")?.output).toBe("671088640\n");
          expect(run.second.get("cmdline")).toMatch(
            new RegExp(`^${WORDS} acpi_rsdp=0x[0-9a-f]+ elfcorehdr=\\d+K$`),
          );
          expectDump(run, 2560, 640);
          expectSameLog(run);
        },
      ),
    VM_TIMEOUT,
  );
  test.concurrent(
    "-s -p",
    () =>
      crash(
        {
          name: "crash-files",
          memory: 1536,
          commandLine: "crashkernel=256M",
          caseScript: script("-s"),
        },
        (run) => expectDump(run, 1536, 256),
      ),
    VM_TIMEOUT,
  );
});

describe("a crash kernel under Xen", () => {
  test.concurrent(
    "dom0 crashes: the machine's memory is in the dump",
    () =>
      crash(
        {
          name: "crash-xen",
          xen: { commandLine: "crashkernel=256M" },
          caseScript: script("", "xen_modules"),
          extraFiles: xenLibraries(),
        },
        (run) => {
          expect(run.lines.map(({ text }) => text)).toContain(
            "(XEN) Hardware Dom0 crashed: Executing kexec image on cpu0",
          );
          expect(run.second.get("cmdline")).toMatch(new RegExp(`^${WORDS} elfcorehdr=\\d+K$`));
          expect(dumpSize(run)).toBeGreaterThan((2048 - 256 - 64) << 20);
        },
      ),
    VM_TIMEOUT,
  );
});
