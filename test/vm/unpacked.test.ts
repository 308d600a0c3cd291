/**
 * bzImages that are unpacked before the reboot: chains of kernels, each loaded and started by the
 * one before. Each says where it runs; every one that was unpacked runs elsewhere.
 */

import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { ensureOtherKernel } from "../../scripts/other-kernels.ts";
import { joined } from "../../src/core/bytes.ts";
import { packedBy } from "../wrapper/make-wrapped.ts";
import { type CpioFile, cpio } from "./cpio.ts";
import {
  bootMachine,
  CONSOLE,
  debianKernel,
  type MachineRun,
  type MachineSetup,
} from "./machine.ts";
import { repacked } from "./repacked.ts";
import { IN_VM, libraryInVm, smallInitrd } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { type Run, runsOf, type SerialLine, type Sight, sightOf } from "./serial-log.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

/** Words of a note of the load: what was done with the kernel, and why. */
const UNPACKED = "the kernel is unpacked before the reboot: ";
const ITSELF = "the kernel unpacks itself after the reboot: ";

interface Kernel {
  readonly release: string;
  readonly data: () => Uint8Array;
}

const say = (line: string): unknown => process.stderr.write(`${line}\n`);
const fromFile = (release: string, path: string): Kernel => ({
  release,
  data: () => new Uint8Array(readFileSync(path)),
});
const debian = (series: "6.1" | "6.12"): Kernel => {
  const { release, vmlinuz } = debianKernel(series);
  return fromFile(release, vmlinuz);
};
const other = (which: "oldest" | "newest"): Kernel => {
  const { release, vmlinuz } = ensureOtherKernel(which, say);
  return fromFile(release, vmlinuz);
};
/** Linux 6.12 with its payload compressed in another format. */
const packed = (command: readonly string[], sized = true): Kernel => {
  const { release, data } = debian("6.12");
  return { release, data: () => repacked(data(), (bytes) => packedBy(command, bytes), sized) };
};

const KERNELS: Readonly<Record<string, () => Kernel>> = {
  oldest: () => other("oldest"),
  "6.1": () => debian("6.1"),
  "6.12": () => debian("6.12"),
  newest: () => other("newest"),
  gzip: () => packed(["gzip", "-n", "-c", "-1"], false),
  lz4: () => packed(["lz4", "-l", "-c", "-1"]),
};

/** One start: which kernel, with which words of the command line, and what the load says of it. */
interface Hop {
  readonly kernel: string;
  readonly words?: string;
  readonly note?: string;
}

interface Chain extends Partial<MachineSetup> {
  readonly name: string;
  readonly hops: readonly Hop[];
  /** Of the load, in place of `-d`, which shows the notes. */
  readonly options?: string;
  readonly direct?: boolean;
  readonly check?: (links: readonly Link[]) => void;
}

/** Where the direct mapping begins, which takes a while to find. */
const DIRECT = `
run facts kexec --save-facts=/run/facts
run direct sh -c "grep -m 1 pageOffset /run/facts"`;

/** The Nth kernel of a chain loads by the Nth line of /hops, and with it what is still needed. */
const scriptFor = ({ options = "-d", direct = false }: Chain): string => `
number=$(cat /link 2>/dev/null || echo 1)
run text sh -c "grep -m 1 ' _text$' /proc/kallsyms"
run code sh -c "grep -m 1 ' : Kernel code' /proc/iomem"
run levels sh -c "grep -o -m 1 la57 /proc/cpuinfo || echo no la57"
run dmesg sh -c "dmesg | grep -i -E 'kaslr|WARNING|BUG' || echo none"
${direct ? DIRECT : ""}
line=$(sed -n "$number"p /hops)
if [ -n "$line" ]; then
  echo $((number + 1)) >/link
  rm -rf /next /opt /proof /boot
  cp /kernels/\${line%% *} /run/kernel
  sed "1,$number"d /hops >/run/left
  for one in /kernels/*; do grep -q "^\${one##*/} " /run/left || rm $one; done
  cd /
  find . -xdev ! -name next ! -path "./run/*" | cpio -o -H newc >/next 2>/dev/null
  run load kexec ${options} -c -l /run/kernel --initrd=/next --append="\${line#* }"
  run exec kexec -e
fi
`;

/** What one kernel of a chain said. */
interface Link {
  readonly sight: Sight;
  readonly runs: ReadonlyMap<string, Run>;
}

const said = ({ runs }: Link, name: string): string => runs.get(name)?.output.trim() ?? "";

/** The lines of a chain, kernel by kernel: each describes itself before it does anything else. */
function linksOf(lines: readonly SerialLine[]): Link[] {
  const starts = lines.flatMap(({ text }, i) => (text.startsWith("FIRST release=") ? [i] : []));
  return starts.map((start, i) => {
    const own = lines.slice(start, starts[i + 1]);
    return { sight: sightOf("FIRST", own), runs: runsOf(own) };
  });
}

const commandLine = ({ words = "" }: Hop): string => `${CONSOLE} chain ${words}`.trim();

/** Each kernel is up, as its load had said it would. */
function expectHops(links: readonly Link[], hops: readonly Hop[]): void {
  hops.forEach((hop, i) => {
    const [before, link] = [links[i], links[i + 1]];
    const load = before?.runs.get("load");
    expect({ i, status: load?.status, output: load?.output }).toMatchObject({ i, status: 0 });
    expect(load?.output).toContain(hop.note ?? "");
    const { release } = KERNELS[hop.kernel]?.() ?? { release: "" };
    const seen = { release: link?.sight.get("release"), cmdline: link?.sight.get("cmdline") };
    expect({ i, ...seen }).toEqual({ i, release, cmdline: commandLine(hop) });
    if (link !== undefined) expect(said(link, "dmesg")).not.toMatch(/WARNING|BUG/);
  });
  expect(links.length).toBe(hops.length + 1);
}

const kernelFiles = (hops: readonly Hop[]): CpioFile[] =>
  [...new Set(hops.map(({ kernel }) => kernel))].map((name) => ({
    path: `/kernels/${name}`,
    data: KERNELS[name]?.().data() ?? new Uint8Array(0),
  }));

async function chain(one: Chain): Promise<void> {
  const { hops, check, options: _, direct: __, ...setup } = one;
  const plan = hops.map((hop) => `${hop.kernel} ${commandLine(hop)}\n`).join("");
  const run: MachineRun = await bootMachine({
    ...{ memory: 2048, timeoutSeconds: 1200, ...setup },
    ...{ kexec: KEXEC, commandLine: `chain ${setup.commandLine ?? ""}`.trim() },
    caseScript: scriptFor(one),
    extraFiles: [
      ...kernelFiles(hops),
      ...libraryInVm("liblzma.so.5"),
      { path: "/hops", data: plan },
    ],
  });
  withLog(run, () => {
    const links = linksOf(run.lines);
    expectHops(links, hops);
    check?.(links);
  });
}

/** Of `links`, which were all unpacked: no two have the same. */
function expectDifferent(links: readonly Link[], name: string): void {
  const found = links.map((link) => said(link, name));
  expect(found.every((one) => one !== "")).toBe(true);
  expect(new Set(found).size).toBe(found.length);
}

const ZSTD = `${UNPACKED}zstd, `;
const XZ = `${UNPACKED}xz, `;
const FOUR_LEVELS = ["-cpu", "max,-la57"];

const CHAINS: readonly Chain[] = [
  {
    name: "unpacked-kernels",
    qemuArguments: FOUR_LEVELS,
    hops: [
      { kernel: "oldest", note: XZ },
      { kernel: "6.1", note: XZ },
      { kernel: "6.12", note: ZSTD },
      { kernel: "newest", note: ZSTD },
      { kernel: "gzip", note: `${UNPACKED}gzip, ` },
      { kernel: "lz4", note: `${UNPACKED}lz4 (legacy), ` },
      { kernel: "6.12", words: "nokaslr", note: "nokaslr: not randomized" },
      { kernel: "6.12", words: "mem=1900M", note: `${ITSELF}only then mem=1900M` },
    ],
    check: (links) => {
      const text = links[7] === undefined ? "" : said(links[7], "text");
      expect(text).toBe("ffffffff81000000 T _text");
      expect(links.every((link) => said(link, "levels") === "no la57")).toBe(true);
    },
  },
  {
    name: "unpacked-five-levels",
    hops: [
      { kernel: "6.12", note: ZSTD },
      { kernel: "newest", note: ZSTD },
      { kernel: "6.12", words: "no5lvl", note: `${ITSELF}it turns off the 5-level` },
      { kernel: "6.12", words: "no5lvl", note: ZSTD },
      { kernel: "6.12", note: `${ITSELF}it turns on the processor's 5-level` },
      // Not "oldest": Linux 5.10 does not survive this way from 5 levels to 4, whoever loads it.
    ],
    check: (links) => {
      const levels = links.map((link) => said(link, "levels"));
      const none = "no la57";
      expect(levels).toEqual(["la57", "la57", "la57", none, none, "la57"]);
    },
  },
  {
    name: "unpacked-uefi",
    firmware: "uefi",
    hops: [
      { kernel: "6.1", note: XZ },
      { kernel: "newest", note: ZSTD },
    ],
    check: (links) => {
      expect(links.map(({ sight }) => sight.get("efi"))).toEqual(["yes", "yes", "yes"]);
    },
  },
  {
    name: "unpacked-6g",
    memory: 6144,
    smp: 2,
    hops: [{ kernel: "6.12", note: ZSTD }],
  },
  {
    name: "unpacked-ten",
    ...{ options: "-i", direct: true },
    hops: Array.from({ length: 10 }, () => ({ kernel: "6.12" })),
    check: (links) => {
      const unpacked = links.slice(1);
      for (const name of ["text", "code", "direct"]) expectDifferent(unpacked, name);
    },
  },
];

beforeAll(() => buildKexec(), VM_TIMEOUT);

const MICROCODE = { path: "/kernel/x86/microcode/GenuineIntel.bin", data: "no microcode" };

/** An initrd as Debian's with microcode: an archive as it is, and behind it a compressed one. */
const xzInitrd = (): Uint8Array =>
  joined([...cpio([MICROCODE]), packedBy(["xz", "--check=crc32", "-1", "-c"], smallInitrd())]);

describe("a bzImage that is unpacked before the reboot", () => {
  for (const one of CHAINS) test.concurrent(one.name, () => chain(one), VM_TIMEOUT);
});

test(
  "an xz initrd that is unpacked before the reboot",
  async () => {
    const second = `${CONSOLE} second`;
    const run = await bootMachine({
      ...{ kexec: KEXEC, name: "unpacked-initrd" },
      caseScript: `
run load kexec -d -c -l ${IN_VM.kernel} --initrd=/xz --append="${second}"
run exec kexec -e
`,
      extraFiles: [...libraryInVm("liblzma.so.5"), { path: "/xz", data: xzInitrd() }],
    });
    withLog(run, () => {
      expect(run.runs.get("load")?.status).toBe(0);
      expect(run.runs.get("load")?.output).toContain(
        "the initrd is unpacked before the reboot: xz, ",
      );
      expectSecondKernel(run, second);
    });
  },
  VM_TIMEOUT,
);
