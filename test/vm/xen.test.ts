/**
 * Real Xen 4.17 with a Debian dom0: the kexec under test loads, and the hypervisor starts the
 * second kernel, which says what it sees. The same file, byte for byte, runs where there is no Xen.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { hexOf } from "../../src/core/bytes.ts";
import { sha256 } from "../../src/core/digest.ts";
import { difference } from "../conformance/differences.ts";
import { type CpioFile, cpio } from "./cpio.ts";
import {
  bootMachine,
  CONSOLE,
  debianKernel,
  type MachineRun,
  type MachineSetup,
} from "./machine.ts";
import { IN_VM, xenLibraries, xenLibraryPath } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { stubUki } from "./stub-uki.ts";
import { vmlinuxOf } from "./vmlinux.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";
import { type Recorded, recorded } from "./xen-recorded.ts";

const SECOND = `${CONSOLE} second`;
const load = (initrd: string) => `-l ${IN_VM.kernel} --initrd=${initrd} --append="${SECOND}"`;
const LOAD = load(IN_VM.initrd);
const VMLINUX = "/boot/vmlinux";
const UKI = "/boot/uki.efi";
const RECORD = "/opt/record-xenctrl.so";
const EXEC = "run exec kexec -e";
/** The file under test, and what the loader makes of it and of kexec-tools, which needs libxenctrl
 * even to say its version. */
const SAME_FILE = `
run file sha256sum /sbin/kexec
run ldd env LD_TRACE_LOADED_OBJECTS=1 /sbin/kexec
run version kexec -v
run their-ldd env LD_TRACE_LOADED_OBJECTS=1 ${IN_VM.kexecTools}.bin
run their-version ${IN_VM.kexecTools}.bin -v
`;
const BIG_SIZE = 48 << 20;

const scratch = mkdtempSync(join(tmpdir(), "onekexec-xen-"));
afterAll(() => rmSync(scratch, { recursive: true }));

let fileDigest = "";
beforeAll(() => {
  buildKexec();
  fileDigest = hexOf(sha256(new Uint8Array(readFileSync(KEXEC))));
});

/** The library that says what is loaded through it. */
function recorder(): CpioFile {
  const library = join(scratch, "record-xenctrl.so");
  const source = join(import.meta.dir, "record-xenctrl.c");
  const real = ["-Wl,--no-as-needed", xenLibraryPath()];
  execFileSync("gcc", [
    "-Wall",
    "-Werror",
    "-O2",
    "-shared",
    "-fPIC",
    "-o",
    library,
    source,
    ...real,
  ]);
  return { path: RECORD, data: new Uint8Array(readFileSync(library)), mode: 0o755 };
}

const output = (run: MachineRun, name: string): string => run.runs.get(name)?.output ?? "(no run)";
const status = (run: MachineRun, name: string) => run.runs.get(name)?.status;

function statuses(run: MachineRun, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, status(run, name)]));
}

/** kexec-tools as Debian has it: linked to eight libraries of Xen, and useless without them. */
function checkTheirs(run: MachineRun, librariesAreThere: boolean): void {
  if (librariesAreThere) {
    expect(output(run, "their-ldd").match(/libxen\S+ => \//g)).toHaveLength(8);
    expect(status(run, "their-version")).toBe(0);
    return;
  }
  expect(output(run, "their-ldd")).toContain("libxenctrl.so.4.17 => not found");
  expect(status(run, "their-version")).toBe(127);
  expect(output(run, "their-version")).toContain("libxenctrl.so.4.17: cannot open shared object");
}

async function boot(
  setup: Partial<MachineSetup> & { readonly name: string; readonly caseScript: string },
  check: (run: MachineRun) => void,
): Promise<void> {
  const run = await bootMachine({ kexec: KEXEC, ...setup });
  withLog(run, () => {
    expect(output(run, "file")).toStartWith(fileDigest);
    expect(output(run, "ldd")).not.toMatch(/xen|not found/);
    expect(run.runs.get("version")).toMatchObject({
      status: 0,
      output: expect.stringMatching(/^kexec-tools 2\./),
    });
    checkTheirs(run, setup.extraFiles !== undefined);
    check(run);
  });
}

/** The second kernel is up, on the bare machine, with all that it was given. */
function expectBareKernel(run: MachineRun): void {
  const { second } = run;
  expectSecondKernel(run, SECOND);
  expect(second.get("guest-type")).toBe("");
  expect(second.get("rsdp")).toContain("ACPI: RSDP 0x");
}

function expectStartedByXen(run: MachineRun): void {
  expect(run.first.get("guest-type")).toBe("PV");
  expect(run.lines.map(({ text }) => text)).toContain("(XEN) Executing kexec image on cpu0");
  expectBareKernel(run);
  expect(Number(run.second.get("memory-kib"))).toBeGreaterThan(1_900_000);
}

/** kexec-tools' is kept to memory that dom0 has, where Xen does not spoil it. */
const LIBRARY_SCRIPT = `
${SAME_FILE}
xen_modules
xen_fs
run decision kexec -d -S -l
run theirs env LD_PRELOAD=${RECORD} ${IN_VM.kexecTools} -l --mem-max=0x60000000 ${LOAD.slice(3)}
run theirs-again ${IN_VM.kexecTools} -l --mem-max=0x60000000 ${LOAD.slice(3)}
run their-status ${IN_VM.kexecTools} -S -l
run ours kexec --xen-library=${RECORD} ${LOAD}
run loaded kexec -S -l
run again kexec ${LOAD}
run still-loaded kexec -S -l
run unload kexec -u
run unloaded kexec -S -l
run unload-nothing kexec -u
run still-unloaded kexec -S -l
run exec-nothing kexec -e
run crash-size kexec --print-ckr-size
run live-update kexec --load-live-update ${LOAD.slice(3)}
run exec-live-update kexec --exec-live-update
run load kexec -d ${LOAD.replace(IN_VM.kernel, VMLINUX)}
${EXEC}
`;

function checkLibrary(run: MachineRun): void {
  expect(output(run, "decision")).toContain("hypercalls go through libxenctrl.so.4.17\n");
  const theirs = recorded(output(run, "theirs"));
  const ours = recorded(output(run, "ours"));
  expect(ours.call).toBe(theirs.call);
  expect(ours.call).toBe("type=0 arch=62");
  expect(ours.mapped).toEqual(theirs.mapped);
  expect(ours.mapped).toEqual(["0x0 0x100000"]);
  // The two largest are the kernel and the initrd: the same bytes, the same memory.
  const large = ({ segments }: Recorded) =>
    segments.filter(({ size }) => Number(size.split(" ")[0]) > 0x100000);
  expect(large(ours)).toHaveLength(2);
  expect(large(ours)).toEqual(expect.arrayContaining(large(theirs)));
  // Loaded twice, and Xen's answer is back where it was.
  expect(statuses(run, ["theirs", "theirs-again", "their-status"])).toEqual({
    theirs: 0,
    "theirs-again": 0,
    "their-status": 0,
  });
  expect(
    statuses(run, ["loaded", "again", "still-loaded", "unload", "unloaded", "unload-nothing"]),
  ).toEqual({
    loaded: 1,
    again: 0,
    "still-loaded": 1,
    unload: 0,
    unloaded: 0,
    "unload-nothing": 0,
  });
  expect(statuses(run, ["still-unloaded", "exec-nothing"])).toEqual({
    "still-unloaded": 0,
    "exec-nothing": 1,
  });
  expect(output(run, "loaded")).toStartWith("Xen reports an image. Xen's status bit toggles");
  expect(output(run, "unloaded")).toStartWith("Xen reports no image. Xen's status bit toggles");
  expect(output(run, "exec-nothing")).toStartWith("Nothing has been loaded!\n");
  expect(output(run, "crash-size")).toBe("201326592\n");
  expect(status(run, "live-update")).toBe(255);
  expect(output(run, "live-update")).toStartWith("kexec_load failed: Invalid argument\n");
  expect(output(run, "live-update")).toContain("This Xen has no live update");
  expect(status(run, "exec-live-update")).toBe(255);
  expect(output(run, "exec-live-update")).toStartWith("kexec failed: Invalid argument\n");
  expect(output(run, "load")).toContain(", elf-x86_64, x86_64, purpose normal\n");
  expectStartedByXen(run);
}

/** Flags of a network card. */
const UP = "0x1003\n";
const DOWN = "0x1002\n";

/** Nothing of Xen but the hypervisor and one module; 2 GiB, and no crashkernel=. */
const DIRECT_SCRIPT = `
${SAME_FILE}
run no-module kexec ${LOAD}
run no-module-status kexec -S -l
run no-module-unload kexec -u
run no-module-exec kexec -e
insmod /boot/modules/xen-privcmd.ko
run no-xenfs ls /proc/xen/capabilities
insmod ${IN_VM.networkDriver}
ip link set eth0 up
run nothing kexec -e
run nothing-network cat /sys/class/net/eth0/flags
run their-nothing ${IN_VM.kexecTools} -e
run their-nothing-network cat /sys/class/net/eth0/flags
run facts kexec --save-facts=/run/facts
run saved cat /run/facts
run load kexec -d ${LOAD}
run loaded kexec -S -l
run unload kexec -u
run unloaded kexec -S -l
run load-again kexec -d --entry-32bit ${LOAD}
${EXEC}
`;

function checkDirect(run: MachineRun): void {
  const noModule = "There is no /dev/xen/privcmd: the module xen-privcmd creates it.";
  for (const [name, words] of [
    ["no-module", "get_memory_ranges_xen: Failed to open Xen control interface\nCould not get"],
    ["no-module-unload", "kexec unload failed: No such file or directory\n"],
    ["no-module-exec", "kexec failed: No such file or directory\n"],
    ["no-module-status", "cannot open /dev/xen/privcmd: No such file or directory\n"],
  ] as const) {
    expect({ name, status: status(run, name) }).toEqual({ name, status: 255 });
    expect(output(run, name)).toStartWith(words);
    expect(output(run, name)).toContain(noModule);
  }
  expect(status(run, "no-xenfs")).toBe(1);
  expect(output(run, "nothing")).toStartWith("Nothing has been loaded!\n");
  expect(status(run, "nothing")).toBe(1);
  expect(output(run, "nothing-network")).toBe(UP);
  expect(output(run, "their-nothing")).toBe("kexec failed: No such file or directory\n");
  expect(output(run, "their-nothing-network")).toBe(DOWN);
  expect(output(run, "load")).toContain("hypercalls go through /dev/xen/privcmd\n");
  expect(output(run, "load")).toContain(
    "all segments lie in memory that the hypervisor does not allocate",
  );
  expect(statuses(run, ["load", "loaded", "unload", "unloaded", "load-again"])).toEqual({
    load: 0,
    loaded: 1,
    unload: 0,
    unloaded: 0,
    "load-again": 0,
  });
  expect(output(run, "load-again")).toContain(", bzImage, x86_64, purpose normal\n");
  expectStartedByXen(run);
}

const FILES_SCRIPT = `
${SAME_FILE}
xen_modules
cat ${IN_VM.initrd} /boot/more > /boot/large
run theirs ${IN_VM.kexecTools} -s ${LOAD}
run oops sh -c "dmesg | grep -c 'Call Trace'"
run load kexec -d -s -l ${UKI} --initrd=/boot/large --console-serial --serial=ttyS0
${EXEC}
`;

function checkFiles(run: MachineRun): void {
  expect(status(run, "theirs")).not.toBe(0);
  expect(output(run, "oops")).toBe("1\n");
  expect(status(run, "load")).toBe(0);
  expect(output(run, "load")).toContain("-s and -a act as -c\n");
  expect(output(run, "load")).toContain("  uki: .linux ");
  expectStartedByXen(run);
}

/** Another archive behind the initrd: without a pattern, so that any page that is not itself is
 * found by the purgatory. */
function more(): CpioFile {
  const data = new Uint8Array(BIG_SIZE);
  for (let at = 0; at < BIG_SIZE; at += 65536)
    crypto.getRandomValues(data.subarray(at, at + 65536));
  return { path: "/boot/more", data: Buffer.concat(cpio([{ path: "/more", data }])) };
}

const vmlinux = (): CpioFile => ({ path: VMLINUX, data: vmlinuxOf(debianKernel().vmlinuz) });

function uki(): CpioFile {
  const kernel = new Uint8Array(readFileSync(debianKernel().vmlinuz));
  return { path: UKI, data: stubUki({ ".cmdline": SECOND, ".linux": kernel }) };
}

const PVH_SCRIPT = `
${SAME_FILE}
xen_modules
run load kexec ${LOAD}
run files kexec -s ${LOAD}
run unload kexec -u
run status kexec -S -l
run exec kexec -e
run theirs ${IN_VM.kexecTools} ${LOAD}
run their-loaded cat /sys/kernel/kexec_loaded
run facts kexec --save-facts=/run/facts
run alive echo still here
`;

function checkPvh(run: MachineRun): void {
  expect(run.first.get("guest-type")).toBe("PVH");
  for (const name of ["load", "files", "unload", "status", "exec"]) {
    expect({ name, status: status(run, name) }).toEqual({ name, status: 255 });
    expect(output(run, name)).toStartWith("kexec is not possible here: this is a PVH dom0 of Xen");
  }
  expect(status(run, "theirs")).toBe(0);
  expect(output(run, "their-loaded")).toBe("1\n");
  expect(status(run, "facts")).toBe(0);
  expect(output(run, "alive")).toBe("still here\n");
}

describe("kexec in a dom0 of Xen", () => {
  test.concurrent(
    `${difference("xen-status").id}, ${difference("xen-nothing").id}: PV dom0 with libxenctrl; what ` +
      "reaches Xen is what kexec-tools gives it; -S, -u, live update; a vmlinux is started",
    () =>
      boot(
        {
          name: "xen-library",
          xen: { commandLine: "crashkernel=192M" },
          caseScript: LIBRARY_SCRIPT,
          extraFiles: [...xenLibraries(), recorder(), vmlinux()],
        },
        checkLibrary,
      ),
    VM_TIMEOUT,
  );
  test.concurrent(
    `${difference("xen-library").id}, ${difference("xen-placement").id}: PV dom0, no library, only ` +
      "privcmd, no xenfs, 2 GiB without crashkernel=, and the 32-bit entry",
    () =>
      boot(
        {
          name: "xen-direct",
          xen: {},
          caseScript: DIRECT_SCRIPT,
          qemuArguments: ["-nic", "user,model=e1000"],
        },
        checkDirect,
      ),
    VM_TIMEOUT,
  );
  test.concurrent(
    `${difference("xen-methods").id}: PV dom0, -s, a unified kernel image with an initrd of 51 MiB, ` +
      "2 GiB without crashkernel=",
    () =>
      boot(
        {
          name: "xen-files",
          xen: {},
          caseScript: FILES_SCRIPT,
          extraFiles: [...xenLibraries(), more(), uki()],
        },
        checkFiles,
      ),
    VM_TIMEOUT,
  );
  test.concurrent(
    `${difference("xen-pvh").id}: PVH dom0 is refused, and still running`,
    () => boot({ name: "xen-pvh", xen: { dom0: "pvh" }, caseScript: PVH_SCRIPT }, checkPvh),
    VM_TIMEOUT,
  );
  test.concurrent(
    "no Xen: the same file, and no Xen library",
    () =>
      boot(
        { name: "xen-none", caseScript: `${SAME_FILE}\nrun load kexec -c ${LOAD}\n${EXEC}` },
        (run) => {
          expect(run.runs.get("load")).toMatchObject({ status: 0, output: "" });
          expectBareKernel(run);
        },
      ),
    VM_TIMEOUT,
  );
});
