/**
 * Crash kernels: loaded, the machine crashed, and the crash kernel finds what there was. Debian's
 * vmcore-dmesg reads the log of the one that died; under Xen it finds Xen's vmcoreinfo, and gives
 * up.
 */

import { beforeAll, describe, expect, test } from "bun:test";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { difference } from "../conformance/differences.ts";
import { type CpioFile, cpio } from "./cpio.ts";
import {
  bootMachine,
  CONSOLE,
  debianKernel,
  type MachineRun,
  type MachineSetup,
} from "./machine.ts";
import { executableInVm, IN_VM, withLibraries, xenLibraries } from "./rig.ts";
import { DumpDisk } from "./saved-dump.ts";
import { vmlinuxOf } from "./vmlinux.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const MARK = "the last word before the crash";
const WORDS = `${CONSOLE} second nr_cpus=1 irqpoll`;
/** The initrd of the crash kernel has vmcore-dmesg too. */
const CRASH_INITRD = "/boot/crash";
const LOAD = `--initrd=${CRASH_INITRD} --append="${WORDS}"`;
const VMLINUX = "/boot/vmlinux";
/** A word in the lowest RAM, where SeaBIOS and kernels leave it; init.sh looks for it there. */
const WORD = "SAVED :)";
const WORD_NUMBER = `0x${Buffer.from(WORD).reverse().toString("hex")}`;
const LOADER = `loader,addr=0x5000,data-len=8,data=${WORD_NUMBER}`;

interface Script {
  /** The crash kernel's file; the rig's own unless given. */
  readonly kernel?: string;
  /** Before loading. */
  readonly before?: string;
  /** After it. */
  readonly after?: string;
  /** CPU that crashes. */
  readonly cpu?: number;
}

function script(options: string, more: Script = {}): string {
  const { kernel = IN_VM.kernel, before = "", after = "", cpu = 0 } = more;
  return `
cat ${IN_VM.initrd} /boot/more > ${CRASH_INITRD}
${before}
run size kexec --print-ckr-size
run none kexec -S -p
run load kexec ${options} -p ${kernel} ${LOAD}
run loaded kexec -S -p
run unloaded kexec -u
run still kexec -S -p
${after}
# These files are memory: they would be in the dump.
rm -r /boot /opt /sbin/kexec
echo "${MARK}" > /dev/kmsg
echo 1 > /proc/sys/kernel/sysrq
taskset -c ${cpu} sh -c 'echo c > /proc/sysrq-trigger'
sleep 60`;
}

const READY = "ready for a crash";
/** Three times Ctrl-A. [xen-command-line conswitch] */
const SWITCH_TO_XEN = "\x01\x01\x01";
const xenScript = `${script("", { before: "xen_modules" }).split("echo 1 >")[0]}
echo "${READY}"
sleep 60`;

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
  /** What saves the dump is in it. */
  readonly saver?: readonly CpioFile[];
  readonly name: string;
  readonly caseScript: string;
}

async function crash(one: Case, check: (run: MachineRun) => void): Promise<void> {
  const reader = dumpReader([...(one.ours ? ourDumpReader() : []), ...(one.saver ?? [])]);
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

/** A crash whose dump comes to this machine, too. */
async function crashAndSave(
  one: Case,
  check: (run: MachineRun, disk: DumpDisk) => void,
): Promise<void> {
  const disk = new DumpDisk();
  try {
    const { qemuArguments } = disk;
    const saver = disk.filesFor(one.kernel);
    await crash({ ...one, qemuArguments, saver }, (run) => {
      expect(disk.expectSameLog(run)).toContain(MARK);
      check(run, disk);
    });
  } finally {
    disk.remove();
  }
}

/** The process that the kernel said it died in. */
function pidOf({ lines }: MachineRun, cpu: number): number {
  const found = lines.map(({ text }) => /CPU: (\d+) (?:UID: 0 )?PID: (\d+) Comm: sh/.exec(text));
  const [, on, pid] = found.find((match) => match !== null) ?? [];
  expect(on).toBe(String(cpu));
  return Number(pid);
}

beforeAll(() => {
  buildKexec();
});

/** "1/online 0": CPU 1 goes. */
function cpuWord(words: string): string {
  const [file, value] = words.split(" ");
  return `echo ${value} > /sys/devices/system/cpu/cpu${file}`;
}

describe("a crash kernel on Linux", () => {
  test.concurrent(
    "-c -p: the lowest RAM is in the dump as it was",
    () =>
      crash(
        {
          name: "crash-segments",
          memory: 1536,
          commandLine: "crashkernel=256M",
          caseScript: script("-c"),
          qemuArguments: ["-device", LOADER],
        },
        (run) => {
          expect(run.runs.get("size")?.output).toBe("268435456\n");
          expect(run.second.get("cmdline")).toMatch(
            new RegExp(`^${WORDS} acpi_rsdp=0x[0-9a-f]+ elfcorehdr=\\d+K$`),
          );
          expectDump(run, 1536, 256);
          expect(run.second.get("vmcore-low")).toBe("4096");
          expect(run.second.get("vmcore-word")).toBe(WORD);
        },
      ),
    VM_TIMEOUT,
  );
  test.concurrent(
    "-s -p: makedumpfile filters the dump",
    () =>
      crashAndSave(
        {
          name: "crash-files",
          memory: 1536,
          commandLine: "crashkernel=256M",
          caseScript: script("-s"),
        },
        (run, disk) => {
          expectDump(run, 1536, 256);
          expect(disk.pids(run)).toEqual([pidOf(run, 0)]);
        },
      ),
    VM_TIMEOUT,
  );
  test.concurrent(
    "-c -p, two CPUs, the second one crashes, 6 GiB, regions above and below 4 GiB",
    () =>
      crash(
        {
          name: "crash-high",
          memory: 6144,
          smp: 2,
          commandLine: "crashkernel=256M,high crashkernel=128M,low",
          caseScript: script("-c", { cpu: 1 }),
        },
        (run) => {
          expect(pidOf(run, 1)).toBeGreaterThan(1);
          expectDump(run, 6144, 384);
          expect(run.second.get("vmcore-cpus")).toBe("2");
          expect(run.second.get("cmdline")).toMatch(/ elfcorehdr=\d{7}K$/);
        },
      ),
    VM_TIMEOUT,
  );
  test.concurrent(
    "-c -p -t bzImage --pass-memmap-cmdline: by the 32-bit entry; filtered, two CPUs",
    () =>
      crashAndSave(
        {
          name: "crash-memmap",
          memory: 1536,
          smp: 2,
          commandLine: "crashkernel=256M",
          caseScript: script("-c -t bzImage --pass-memmap-cmdline", { cpu: 1 }),
        },
        (run, disk) => {
          expect(run.second.get("cmdline")).toMatch(/K memmap=exactmap memmap=\d+K@4K memmap=/);
          expectDump(run, 1536, 256);
          expect(disk.pids(run)).toEqual([0, pidOf(run, 1)]);
          // It has the region, in which it lies itself, and not what the zero page says that the
          // machine has.
          expect(Number(run.second.get("memory-kib"))).toBeLessThan(216 << 10);
        },
      ),
    VM_TIMEOUT,
  );
  test.concurrent(
    "-c -p after UEFI: the crash kernel finds ACPI by itself",
    () =>
      crash(
        {
          name: "crash-uefi",
          memory: 1536,
          firmware: "uefi",
          commandLine: "crashkernel=256M",
          caseScript: script("-c"),
        },
        (run) => {
          expect(run.second.get("efi")).toBe("yes");
          expect(run.second.get("cmdline")).toMatch(new RegExp(`^${WORDS} elfcorehdr=\\d+K$`));
          expect(run.second.get("rsdp")).toBe(run.first.get("rsdp") ?? "");
          expectDump(run, 1536, 256);
        },
      ),
    VM_TIMEOUT,
  );
  test.concurrent(
    "-c -p --hotplug: the kernel writes the core header anew as CPUs go and come back",
    () =>
      crashAndSave(
        {
          name: "crash-hotplug",
          memory: 1536,
          smp: 3,
          kernel: "6.12",
          commandLine: "crashkernel=256M",
          caseScript: script("-c --hotplug", {
            before: "run hotplug cat /sys/kernel/crash_elfcorehdr_size",
            after: ["2/online 0", "1/online 0", "1/online 1"].map(cpuWord).join("\n"),
            cpu: 1,
          }),
        },
        (run, disk) => {
          expect(run.runs.get("hotplug")?.status).toBe(0);
          expectDump(run, 1536, 256);
          // The kernel's own header leaves the lowest MiB out, and the CPU that has gone.
          expect(run.second.get("vmcore-low")).toBeUndefined();
          expect(disk.pids(run)).toEqual([0, pidOf(run, 1)]);
        },
      ),
    VM_TIMEOUT,
  );
  test.concurrent(
    "-p of a vmlinux",
    () =>
      crash(
        {
          name: "crash-vmlinux",
          memory: 1536,
          commandLine: "crashkernel=256M",
          extraFiles: [{ path: VMLINUX, data: vmlinuxOf(debianKernel().vmlinuz) }],
          caseScript: script("--args-linux", { kernel: VMLINUX }),
        },
        (run) => expectDump(run, 1536, 256),
      ),
    VM_TIMEOUT,
  );
});

/** kexec-tools' vmcore-dmesg takes dom0's addresses for the machine's; ours finds dom0's log. */
function expectDom0Log({ second }: MachineRun): void {
  const told = ["their-status", "our-status", "our-errors", "our-marked"];
  expect(told.map((key) => second.get(key))).toEqual(["30", "0", "", "1"]);
}

const XEN_MIB = 3072;
const XEN_CASE = {
  ours: true,
  memory: XEN_MIB,
  // Room for the 106 MiB of our file: three times in dom0, packed and unpacked in the crash kernel.
  xen: { dom0Memory: 1536, commandLine: "crashkernel=640M" },
  extraFiles: xenLibraries(),
} as const;
const xenDump = (XEN_MIB - 640 - 64) << 20;

describe("a crash kernel under Xen", () => {
  test.concurrent(
    `dom0 crashes: the machine's memory is in the dump; ${difference("xen-log").id}`,
    () =>
      crash(
        {
          ...XEN_CASE,
          name: "crash-xen",
          caseScript: script("", { before: "xen_modules" }),
          qemuArguments: ["-device", LOADER],
        },
        (run) => {
          expect(run.lines.map(({ text }) => text)).toContain(
            "(XEN) Hardware Dom0 crashed: Executing kexec image on cpu0",
          );
          expect(run.second.get("cmdline")).toMatch(new RegExp(`^${WORDS} elfcorehdr=\\d+K$`));
          expect(dumpSize(run)).toBeGreaterThan(xenDump);
          expect(run.second.get("vmcore-low")).toBe("0");
          expect(run.second.get("vmcore-word")).toBe(WORD);
          expectDom0Log(run);
        },
      ),
    VM_TIMEOUT,
  );

  test.concurrent(
    "Xen itself crashes, by a key on its console",
    () =>
      crash(
        {
          ...XEN_CASE,
          name: "crash-hypervisor",
          caseScript: xenScript,
          typed: ({ text }) => {
            if (text === READY) return SWITCH_TO_XEN;
            return text.startsWith("(XEN) *** Serial input to Xen") ? "C" : undefined;
          },
        },
        (run) => {
          expect(run.lines.map(({ text }) => text).join("\n")).toMatch(/'C' pressed -> .*crash/i);
          expect(dumpSize(run)).toBeGreaterThan(xenDump);
          expectDom0Log(run);
        },
      ),
    VM_TIMEOUT,
  );
});
