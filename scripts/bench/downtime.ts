/**
 * How long a machine is away: from the call that starts the loaded kernel to that kernel's /init,
 * in instructions of a virtual machine.
 *
 * QEMU counts: with `-icount shift=0` one guest instruction is 1 ns of guest time, and the guest's
 * time stamp counter, which goes on over the reboot, runs with it. So the result does not depend on
 * how busy this machine is. A program of our own starts the loaded kernel at an instant that it
 * says before (guest/start-loaded.c), since `kexec -e` itself would count; another one is the
 * second kernel's /init and reads the counter first (guest/second-init.c). Where the guest waits
 * for a timer, the wait counts as if it were instructions.
 *
 * The first kernel is a vmlinux, which QEMU starts by its PVH entry.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { joined } from "../../src/core/bytes.ts";
import { type CpioFile, cpio } from "../../test/vm/cpio.ts";
import { bootMachine, type MachineRun } from "../../test/vm/machine.ts";
import { IN_VM, libraryInVm } from "../../test/vm/rig.ts";
import { vmlinuxOf } from "../../test/vm/vmlinux.ts";
import { packedBy } from "../../test/wrapper/make-wrapped.ts";
import { KEXEC } from "../build.ts";
import { Problem, runCommand } from "../command.ts";
import { ensureKernel, type Kernel } from "../kernels.ts";
import { refreshPackageLists } from "../machine.ts";
import { progress } from "./run.ts";
import type { Setup } from "./setup.ts";
import { type Column, makeSection, type Section, showVerdicts, type Verdict } from "./table.ts";

/** In MiB: the initramfs, twice while it is unpacked, and what is loaded. */
const MEMORY = 2048;
/** A machine takes 15 to 20 s where nothing else runs; a busy one may take ten times as long. */
const TIMEOUT_SECONDS = 900;
const SECOND = "console=ttyS0 panic=-1 second quiet";
const COMPILE = [
  ...["gcc", "-std=gnu11", "-Os", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-pie"],
  ...["-mgeneral-regs-only", "-fno-stack-protector", "-fno-asynchronous-unwind-tables"],
  ...["-fno-tree-loop-distribute-patterns", "-static", "-nostdlib", "-Wl,--build-id=none"],
  "-Wl,-z,noexecstack",
];
/** One instruction is 1 ns, and no chance: not the host's clock, not its random numbers. */
const COUNTED = [
  ...["-icount", "shift=0,sleep=off", "-seed", "1"],
  ...["-rtc", "base=2026-01-01T00:00:00,clock=vm"],
  // A vmlinux leaves 5-level page tables off, which a bzImage would have turned on.
  ...["-cpu", "max,-la57"],
];
const ACCELERATOR = "tcg,thread=single";
/** The most by which two runs of the same may differ, of the total. Before the second kernel's
 * clock begins they differ by 0.0001 %; its own boot waits for timers, which varies by 8 ms. */
const REPEATS_WITHIN = 0.005;

/** A file that is loaded. */
interface Image {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** What `uname -r` must say of it. */
  readonly release: string;
  /** What either kexec must be told besides. */
  readonly options: readonly string[];
  /** Whether it is a bzImage: only such a file can be loaded by -s, and decompressed or not. */
  readonly compressed: boolean;
  /** The most that onekexec's -c may take, in 10^9 instructions; null: it has no target. */
  readonly atMost: number | null;
  /** Its initrd; null: the small one, with nothing but /init. */
  readonly initrd: Uint8Array | null;
}

/** A way to load it. */
interface Way {
  readonly name: string;
  /** In the VM. */
  readonly program: string;
  readonly options: readonly string[];
  /** Of bzImages only. */
  readonly compressedOnly: boolean;
  /** Its result has the target. */
  readonly judged: boolean;
}

/** In instructions, which are ns. */
export interface Downtime {
  /** From the system call to /init. */
  readonly total: number;
  /** What of it was before the second kernel's clock began: moving the segments, checking them,
   * decompressing. It may be slightly negative, since the kernel sets its clock by the counter. */
  readonly beforeClock: number;
}

interface Row extends Measured {
  readonly image: string;
  readonly way: string;
  /** null: kexec-tools was not run with this image. */
  readonly kexecTools: Downtime | null;
  readonly verdicts: readonly Verdict[];
}

const billions = (instructions: number) => (instructions / 1e9).toFixed(2);

/** What `beforeClock` is exact to, in 10^9: less is not told from nothing. */
const CLOCK_ERROR = 0.15;

const beforeClock = (instructions: number): string =>
  instructions / 1e9 < CLOCK_ERROR ? `under ${CLOCK_ERROR}` : billions(instructions);

export const DOWNTIME_COLUMNS: readonly Column<Row>[] = [
  { head: "image", cell: ({ image }) => image, inReadme: true },
  { head: "loaded by", cell: ({ way }) => way, inReadme: true },
  {
    head: "10^9 instructions",
    cell: ({ downtime }) => billions(downtime.total),
    inReadme: true,
  },
  {
    head: "before the kernel's clock",
    cell: ({ downtime }) => beforeClock(downtime.beforeClock),
    inReadme: true,
  },
  {
    head: "times less",
    cell: ({ downtime, kexecTools }) =>
      kexecTools === null ? "-" : (kexecTools.total / downtime.total).toFixed(1),
    inReadme: true,
  },
  { head: "target", cell: ({ verdicts }) => showVerdicts(verdicts), inReadme: false },
];

function waysOf(unchangedImage: readonly string[]): Way[] {
  const way = (program: string, options: readonly string[], more: Partial<Way> = {}): Way => ({
    name: `${program === IN_VM.onekexec ? "onekexec" : "kexec-tools"} \`${options.join(" ")}\``,
    program,
    options,
    compressedOnly: false,
    judged: false,
    ...more,
  });
  const ours = IN_VM.onekexec;
  return [
    way(IN_VM.kexecTools, ["-c"]),
    way(ours, ["-c"], { judged: true }),
    way(ours, ["-c", "-i"]),
    way(ours, ["-s"], { compressedOnly: true }),
    ...(unchangedImage.length === 0
      ? []
      : [way(ours, ["-c", ...unchangedImage], { compressedOnly: true })]),
  ];
}

function compileGuest(name: string, folder: string): Uint8Array {
  const program = join(folder, name);
  const source = join(import.meta.dir, "guest", `${name}.c`);
  runCommand(`Compile ${name}.c`, [...COMPILE, "-o", program, source]);
  return new Uint8Array(readFileSync(program));
}

/** What all machines have in common. */
interface Machine {
  /** The first kernel; `vmlinuz` is a vmlinux. */
  readonly kernel: Kernel;
  readonly files: readonly CpioFile[];
  /** The second kernel's /init. */
  readonly init: CpioFile;
}

/** Files of the first kernel, beside those of the virtual machine tests. */
const AT = { image: "/boot/image", initrd: "/boot/second", start: "/sbin/start-loaded" } as const;

/** @throws Problem */
function makeMachine(kernel: Kernel, vmlinux: Uint8Array, folder: string): Machine {
  const path = join(folder, "vmlinux");
  writeFileSync(path, vmlinux);
  const init = { path: "/init", data: compileGuest("second-init", folder), mode: 0o755 };
  const start = { path: AT.start, data: compileGuest("start-loaded", folder), mode: 0o755 };
  const files = [start, ...libraryInVm("liblzma.so.5")];
  return { kernel: { ...kernel, vmlinuz: path }, files, init };
}

/** What a machine that has ended tells of its downtime. */
type Ended = Pick<MachineRun, "first" | "second" | "logPath">;

/** A number that one of the two programs said. @throws Problem */
function said(run: Ended, who: "first" | "second", key: string): number {
  const value = run[who].get(key);
  if (value !== undefined && /^\d+$/.test(value)) return Number(value);
  const reason = `the ${who} kernel said ${key}=${value}; serial log: ${run.logPath}`;
  throw new Problem({ step: "Measure the downtime", reason });
}

/** The result of a machine that has ended. @throws Problem where it did not start `release` */
export function downtimeOf(run: Ended, release: string): Downtime {
  const found = run.second.get("release");
  if (found !== release) {
    const reason = `the second kernel is ${found}, and not ${release}; serial log: ${run.logPath}`;
    throw new Problem({ step: "Measure the downtime", reason });
  }
  const total = said(run, "second", "tsc") - said(run, "first", "reboot-tsc");
  return { total, beforeClock: total - said(run, "second", "boottime-ns") };
}

/** One word for file names. */
function wordOf(text: string): string {
  return text.replaceAll(/[^\w.]+/g, "-").replaceAll(/^-|-$/g, "");
}

async function runOnce(image: Image, way: Way, machine: Machine, run: 1 | 2): Promise<Downtime> {
  const initrd = image.initrd ?? joined(cpio([machine.init]));
  const options = [...way.options, ...image.options, `--initrd=${AT.initrd}`];
  const load = `${way.program} -l ${AT.image} ${options.join(" ")} --append="${SECOND}"`;
  const end = await bootMachine({
    name: `downtime-${wordOf(`${image.name}-${way.name}`)}-${run}`,
    kexec: KEXEC,
    kernelFiles: machine.kernel,
    // After a load that failed the machine powers off.
    caseScript: `run load ${load}\n[ "$(cat /run/status)" != 0 ] || exec ${AT.start}\n`,
    extraFiles: [
      ...machine.files,
      { path: AT.image, data: image.bytes },
      { path: AT.initrd, data: initrd },
    ],
    accelerator: ACCELERATOR,
    qemuArguments: COUNTED,
    memory: MEMORY,
    timeoutSeconds: TIMEOUT_SECONDS,
  });
  const loaded = end.runs.get("load");
  if (loaded?.status === 0) return downtimeOf(end, image.release);
  const reason = `status ${loaded?.status}; serial log: ${end.logPath}\n${loaded?.output}`;
  throw new Problem({ step: `Load by ${load}`, reason });
}

/**
 * By how much two runs of the same differ, in total or before the kernel's clock, of the total.
 * @throws Problem where that is so much that the numbers cannot be believed
 */
export function differenceOf(name: string, one: Downtime, other: Downtime): number {
  const apart = (key: keyof Downtime) => Math.abs(one[key] - other[key]) / one.total;
  const difference = Math.max(apart("total"), apart("beforeClock"));
  if (difference <= REPEATS_WITHIN) return difference;
  const show = ({ total, beforeClock }: Downtime) => `${total} (${beforeClock} before the clock)`;
  const runs = `${show(one)} and ${show(other)} instructions`;
  const reason = `two runs took ${runs}, ${(100 * difference).toFixed(3)} % apart`;
  throw new Problem({ step: `Measure the downtime of ${name}`, reason });
}

interface Measured {
  readonly downtime: Downtime;
  /** Between two runs, of the total; null: it was run once. */
  readonly difference: number | null;
}

async function measureWay(
  image: Image,
  way: Way,
  machine: Machine,
  twice: boolean,
): Promise<Measured> {
  const name = `${image.name}, ${way.name}`;
  progress(`downtime: ${name}`);
  const [downtime, other] = await Promise.all([
    runOnce(image, way, machine, 1),
    twice ? runOnce(image, way, machine, 2) : null,
  ]);
  return { downtime, difference: other === null ? null : differenceOf(name, downtime, other) };
}

const verdictOf = ({ total }: Downtime, atMost: number): Verdict => ({
  met: total <= atMost * 1e9,
  text: `at most ${atMost}`,
});

/** The first way of an image is run twice, and in a full run that which has the target. */
async function measureImage(image: Image, ways: readonly Way[], machine: Machine, quick: boolean) {
  const rows: Row[] = [];
  let kexecTools: Downtime | null = null;
  for (const way of ways.filter(({ compressedOnly }) => image.compressed || !compressedOnly)) {
    const twice = kexecTools === null || (way.judged && !quick);
    const { downtime, difference } = await measureWay(image, way, machine, twice);
    if (way.program === IN_VM.kexecTools) kexecTools = downtime;
    const verdicts = way.judged && image.atMost !== null ? [verdictOf(downtime, image.atMost)] : [];
    rows.push({ image: image.name, way: way.name, downtime, difference, kexecTools, verdicts });
  }
  return rows;
}

/** The images, by what they must reach. */
function imagesOf(older: Kernel, vmlinux: Uint8Array, newer: Kernel, init: CpioFile): Image[] {
  const bzImage = (kernel: Kernel, compression: string, atMost: number | null): Image => ({
    name: `${kernel.series} bzImage (${compression})`,
    bytes: new Uint8Array(readFileSync(kernel.vmlinuz)),
    release: kernel.release,
    options: [],
    compressed: true,
    atMost,
    initrd: null,
  });
  const large = joined(cpio([init, { path: "/modules", data: vmlinux }]));
  const xz = bzImage(newer, "zstd", null);
  const name = `${older.series} vmlinux (${Math.round(vmlinux.length / 1e6)} MB)`;
  const { release } = older;
  // kexec-tools takes an initrd for an ELF file only if it is told that this is a Linux kernel.
  const options = ["--args-linux"];
  return [
    bzImage(older, "xz", 1.9),
    bzImage(newer, "zstd", 2.1),
    { name, bytes: vmlinux, release, options, compressed: false, atMost: 1.8, initrd: null },
    {
      ...xz,
      name: `${xz.name}, initrd (xz) of ${Math.round(large.length / 1e6)} MB`,
      initrd: packedBy(["xz", "--check=crc32", "-6", "-c"], large),
    },
  ];
}

/** Measures the downtime. @throws Problem */
export async function measureDowntime(setup: Setup): Promise<Section> {
  const { kernel, quick, unchangedImage, kexecTools } = setup;
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const newer = ensureKernel("6.12", say, () => refreshPackageLists(say));
  const vmlinux = vmlinuxOf(kernel.vmlinuz);
  const folder = mkdtempSync(join(tmpdir(), "onekexec-downtime-"));
  try {
    const machine = makeMachine(kernel, vmlinux, folder);
    const ways = waysOf(unchangedImage);
    const rows: Row[] = [];
    for (const image of imagesOf(kernel, vmlinux, newer, machine.init)) {
      rows.push(...(await measureImage(image, ways, machine, quick)));
    }
    const differences = rows.map(({ difference }) => difference ?? 0);
    const apart = (100 * Math.max(...differences)).toFixed(2);
    const note = [
      "Downtime: guest instructions, in thousand millions, from the call that starts the loaded",
      "kernel to that kernel's /init, with a small initrd, in QEMU with `-icount shift=0`.",
      `The first kernel is ${kernel.release}; ${kexecTools}. Two runs of the same were at most`,
      `${apart} % apart.`,
      "Instructions are not time: a processor runs about 6 of SHA-256 in a cycle, and about 2 of",
      "xz and zstd. Before the kernel's clock begins, segments are moved and checked, and the",
      "image is decompressed; the rest is the kernel's own boot. That clock is exact to",
      `${CLOCK_ERROR}.`,
    ].join(" ");
    return makeSection("downtime", note, DOWNTIME_COLUMNS, rows);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
