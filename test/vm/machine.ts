/**
 * Boots a virtual machine with QEMU: a Debian kernel, or Xen with one as its dom0, with the rig as
 * its initramfs, which runs a case. What comes back is what both kernels wrote on the serial port.
 *
 * It emulates in software unless ONEKEXEC_ACCEL names another of QEMU's accelerators.
 */

import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "../../scripts/cache.ts";
import { Problem } from "../../scripts/command.ts";
import { ensureKernel, type Kernel, type KernelSeries } from "../../scripts/kernels.ts";
import { linesOf } from "../../scripts/lines.ts";
import { refreshPackageLists } from "../../scripts/machine.ts";
import { ensureSystemdStub, type SystemdStub } from "../../scripts/systemd-stub.ts";
import { ensureXen, type Xen } from "../../scripts/xen.ts";
import type { CpioFile } from "./cpio.ts";
import { caseArchive, rig } from "./rig.ts";
import {
  panicIn,
  type Run,
  runsOf,
  type SerialLine,
  type Sight,
  sightOf,
  untangled,
} from "./serial-log.ts";
import { inSlot } from "./slots.ts";
import { XEN_MEMORY, type XenSetup, xenBootArguments, xenMachineArguments } from "./xen.ts";

const OVMF = "/usr/share/OVMF";
/** Only code in system management mode may write the variables that say which keys are trusted. */
const SECURE_MACHINE = [
  ...["-machine", "q35,smm=on"],
  ...["-global", "driver=cfi.pflash01,property=secure,value=on"],
];
const ACCELERATOR = process.env.ONEKEXEC_ACCEL ?? "tcg,thread=multi";
/** How long a machine that should stand still is watched, in ms. */
const STANDSTILL_MS = 5000;
/** What every kernel of a VM is started with: all words on the serial port, no waiting. */
export const CONSOLE = "console=ttyS0 panic=-1";
/** The same for a dom0: the serial port is Xen's, which passes the words on. */
export const DOM0_CONSOLE = "console=hvc0 panic=-1";

export interface MachineSetup {
  /** Names the log file; one word. */
  readonly name: string;
  /** The kexec under test, on this machine. */
  readonly kexec: string;
  /** Shell lines for PID 1 of the first kernel; see init.sh for `run`. */
  readonly caseScript: string;
  /** In MiB; unless given 1024, with Xen 2048. */
  readonly memory?: number;
  /** CPUs; 1 unless given. */
  readonly smp?: number;
  /** With Secure Boot a kernel that is signed by OVMF's key for tests is needed: `kernelFiles`. */
  readonly firmware?: "bios" | "uefi" | "secure-boot";
  readonly kernel?: KernelSeries;
  /** Instead of Debian's of that series. */
  readonly kernelFiles?: Kernel;
  /** The first kernel is the dom0 of a Xen; after BIOS only. */
  readonly xen?: XenSetup;
  /** Further words for the first kernel's command line. */
  readonly commandLine?: string;
  readonly extraFiles?: readonly CpioFile[];
  /** One of QEMU's accelerators, where the case depends on it. */
  readonly accelerator?: string;
  /** Further arguments for QEMU; with a network card among them, leave "-net none" to us. */
  readonly qemuArguments?: readonly string[];
  readonly timeoutSeconds?: number;
  readonly onLine?: (line: SerialLine) => void;
  /** What is typed on the serial port after a line. */
  readonly typed?: (line: SerialLine) => string | undefined;
  /** A machine that stands still on purpose: this line is its last. It is given some seconds more,
   * for words that should not come, and ended. */
  readonly lastLine?: RegExp;
}

export interface MachineRun {
  /** Xen's among them, where there is one; they begin with "(XEN) ". */
  readonly lines: readonly SerialLine[];
  /** From QEMU's start to its end. */
  readonly seconds: number;
  /** Of the kernel that was started and loaded. */
  readonly release: string;
  readonly runs: ReadonlyMap<string, Run>;
  readonly first: Sight;
  /** Empty where no second kernel came up. */
  readonly second: Sight;
  /** When the second kernel's init spoke first. */
  readonly secondUpAt: number | null;
  readonly logPath: string;
}

/** A machine that did not end by itself, or in which a kernel gave up. */
function machineProblem(
  setup: MachineSetup,
  lines: readonly SerialLine[],
  reason: string,
): Problem {
  const last = lines.slice(-25).map(({ text }) => `  | ${text}`);
  return new Problem({
    step: `Boot the virtual machine ${setup.name}`,
    reason: [reason, `serial log: ${logPathOf(setup)}`, "its last lines:", ...last].join("\n"),
  });
}

/** Where the serial log of a machine is, or will be. */
export function logPathOf({ name }: Pick<MachineSetup, "name">): string {
  return join(cacheFolder("vm-logs"), `${name}.log`);
}

function firmwareArguments(setup: MachineSetup, folder: string): string[] {
  const { firmware = "bios" } = setup;
  if (firmware === "bios") return [];
  const secure = firmware === "secure-boot";
  const kind = secure ? "4M.snakeoil" : "4M";
  const variables = join(folder, "variables.fd");
  copyFileSync(join(OVMF, `OVMF_VARS_${kind}.fd`), variables);
  const flash = "if=pflash,format=raw";
  const code = join(OVMF, `OVMF_CODE_${kind}.fd`);
  return [
    ...(secure ? SECURE_MACHINE : []),
    "-drive",
    `${flash},readonly=on,file=${code}`,
    "-drive",
    `${flash},file=${variables}`,
  ];
}

/** What a machine starts with, in files of this one. */
interface Boot {
  readonly kernel: Kernel;
  readonly xen: Xen | null;
}

function bootArguments(setup: MachineSetup, { kernel, xen }: Boot, folder: string): string[] {
  const { vmlinuz } = kernel;
  const initramfs = join(folder, "initramfs");
  const console = xen === null ? CONSOLE : DOM0_CONSOLE;
  const commandLine = [console, setup.commandLine ?? ""].join(" ").trim();
  if (xen === null) return ["-kernel", vmlinuz, "-initrd", initramfs, "-append", commandLine];
  return xenBootArguments(setup.xen ?? {}, xen, { vmlinuz, commandLine, initramfs });
}

function qemuCommand(setup: MachineSetup, files: Boot, folder: string): string[] {
  const memory = setup.memory ?? (setup.xen === undefined ? 1024 : XEN_MEMORY);
  const machine = setup.xen === undefined ? ["-cpu", "max"] : xenMachineArguments(setup.xen);
  const extra = setup.qemuArguments ?? [];
  const network = extra.includes("-nic") ? [] : ["-net", "none"];
  return [
    // It ends with whoever started it, however that one ends.
    ...[
      "setpriv",
      "--pdeathsig",
      "TERM",
      "timeout",
      "--foreground",
      "-k",
      "5",
      String(setup.timeoutSeconds ?? 300),
    ],
    ...["qemu-system-x86_64", "-accel", setup.accelerator ?? ACCELERATOR, ...machine],
    ...["-m", String(memory), "-smp", String(setup.smp ?? 1)],
    ...["-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", ...network],
    ...bootArguments(setup, files, folder),
    ...firmwareArguments(setup, folder),
    ...extra,
  ];
}

const say = (line: string): unknown => process.stderr.write(`${line}\n`);
const refresh = (): void => refreshPackageLists(say);

/** The kernel that machines of this series start and load. @throws Problem */
export const debianKernel = (series: KernelSeries = "6.1"): Kernel =>
  ensureKernel(series, say, refresh);
/** The Xen that machines start and load. @throws Problem */
export const debianXen = (): Xen => ensureXen(say, refresh);
/** What unified kernel images begin with. @throws Problem */
export const systemdStub = (): SystemdStub => ensureSystemdStub(say, refresh);

const rigs = new Map<string, Uint8Array[]>();

/** The rig of a kernel and a kexec, which all machines of this process share. */
function sharedRig(kexec: string, kernel: Kernel): Uint8Array[] {
  const key = `${kexec} ${kernel.vmlinuz}`;
  const made = rigs.get(key) ?? rig({ kexec, ...kernel });
  rigs.set(key, made);
  return made;
}

/**
 * Not compressed: QEMU hands memory over at once, and a guest without hardware support needs two
 * seconds to unpack zstd, the quickest.
 */
function writeInitramfs(setup: MachineSetup, kernel: Kernel, folder: string): void {
  const ownCase = caseArchive(setup.caseScript, setup.extraFiles ?? []);
  const parts = [...sharedRig(setup.kexec, kernel), ...ownCase];
  writeFileSync(join(folder, "initramfs"), Buffer.concat(parts));
}

interface QemuEnd {
  readonly lines: SerialLine[];
  readonly seconds: number;
  readonly status: number;
  /** It was ended after its `lastLine`. */
  readonly stopped: boolean;
  readonly errors: string;
}

async function runQemu(setup: MachineSetup, command: readonly string[]): Promise<QemuEnd> {
  const started = performance.now();
  const elapsed = () => (performance.now() - started) / 1000;
  const qemu = Bun.spawn([...command], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  const stop = () => qemu.kill();
  process.on("exit", stop);
  const lines: SerialLine[] = [];
  let stopped = false;
  try {
    for await (const text of linesOf(qemu.stdout)) {
      const line = { seconds: elapsed(), text };
      lines.push(line);
      setup.onLine?.(line);
      const keys = setup.typed?.(line);
      if (keys !== undefined) {
        qemu.stdin.write(keys);
        await qemu.stdin.flush();
      }
      if (stopped || !setup.lastLine?.test(text)) continue;
      stopped = true;
      setTimeout(stop, STANDSTILL_MS);
    }
    const status = await qemu.exited;
    const errors = await new Response(qemu.stderr).text();
    return { lines, seconds: elapsed(), status, stopped, errors };
  } finally {
    stop();
    process.off("exit", stop);
    writeLog(setup, command, lines);
  }
}

function writeLog(setup: MachineSetup, command: readonly string[], lines: SerialLine[]): void {
  const text = lines.map(({ seconds, text }) => `${seconds.toFixed(2).padStart(7)} ${text}\n`);
  const head = `# ${command.join(" ")}\n# seconds since QEMU started, serial line\n`;
  writeFileSync(logPathOf(setup), head + text.join(""), "latin1");
}

/** The line that a kernel that does not come up ends with, or the end of QEMU itself. */
function whatWentWrong(end: QemuEnd, setup: MachineSetup): string | undefined {
  if (end.stopped) return undefined;
  if (end.status === 124 || end.status === 137) {
    return `it did not end within ${setup.timeoutSeconds ?? 300} s`;
  }
  if (end.status !== 0) return `QEMU: exit status ${end.status}\n${end.errors}`;
  const panic = panicIn(end.lines);
  return panic === undefined ? undefined : `a kernel gave up: ${panic}`;
}

async function boot(setup: MachineSetup, files: Boot): Promise<MachineRun> {
  const { kernel } = files;
  const folder = mkdtempSync(join(tmpdir(), "onekexec-vm-"));
  try {
    writeInitramfs(setup, kernel, folder);
    const end = await runQemu(setup, qemuCommand(setup, files, folder));
    const lines = setup.xen === undefined ? end.lines : untangled(end.lines);
    const wrong = whatWentWrong({ ...end, lines }, setup);
    if (wrong !== undefined) throw machineProblem(setup, lines, wrong);
    const { seconds } = end;
    return {
      ...{ lines, seconds, runs: runsOf(lines) },
      first: sightOf("FIRST", lines),
      second: sightOf("SECOND", lines),
      release: kernel.release,
      secondUpAt: lines.find(({ text }) => text.startsWith("SECOND "))?.seconds ?? null,
      logPath: logPathOf(setup),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Boots a machine, waits for its end, and returns what it wrote. At most two run at a time
 * (ONEKEXEC_VMS).
 * @throws Problem, with the serial log's path, where QEMU fails, the time is over, or a kernel or
 * Xen panics and no kernel comes up after it
 */
export function bootMachine(setup: MachineSetup): Promise<MachineRun> {
  const kernel = setup.kernelFiles ?? debianKernel(setup.kernel);
  const xen = setup.xen === undefined ? null : debianXen();
  return inSlot(() => boot(setup, { kernel, xen }));
}
