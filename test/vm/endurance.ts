/**
 * What many loads and many starts leave behind: `bun scripts/test.ts endurance`, about an hour.
 *
 * A chain of kernels, each loaded and started by the one before, by -c and by -s in turn: the last
 * one finds the machine as the second did. And many loads and unloads in one kernel, and in one
 * dom0 of Xen, after which neither the kernel nor the hypervisor has less free memory than before.
 */

import { beforeAll, describe, expect, test } from "bun:test";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { bootMachine, CONSOLE, type MachineRun, type MachineSetup } from "./machine.ts";
import { IN_VM } from "./rig.ts";
import { joinedRuntimeMap } from "./runtime-map.ts";
import { type Run, runsOf, type SerialLine, type Sight, sightOf } from "./serial-log.ts";
import { withLog } from "./with-log.ts";

/** Kernels of a chain, the one that the firmware starts among them. */
const KERNELS = 22;
/** For a whole machine, on a machine that does other things too. */
const SECONDS = 3600;
/** In ms; waiting for a free slot counts. */
const TIMEOUT = 4 * SECONDS * 1000;
const CHAIN = `${CONSOLE} chain`;

/** Every kernel of a chain gets all files of the one before, with its own number in /link. */
const CHAIN_SCRIPT = `
rm -rf /opt /proof /boot/modules ${IN_VM.initrd}
number=$(cat /link 2>/dev/null || echo 1)
run number echo $number
run setup-data sh -c 'cd /sys/kernel/boot_params/setup_data && for one in *; do
  echo "$(cat $one/type) $(wc -c <$one/data) bytes"
done'
run iomem sh -c 'grep -v "^ " /proc/iomem'
if [ $number -lt ${KERNELS} ]; then
  echo $((number + 1)) >/link
  cd /
  find . -xdev ! -name next ! -path "./run/*" | cpio -o -H newc >/next 2>/dev/null
  [ $((number % 2)) = 1 ] && method=-c || method=-s
  run load kexec $method -l ${IN_VM.kernel} --initrd=/next --append="${CHAIN}"
  run exec kexec -e
fi
`;

/** What one kernel of a chain said. */
interface Link {
  readonly sight: Sight;
  readonly runs: ReadonlyMap<string, Run>;
}

/** The lines of a chain, kernel by kernel: each describes itself before it does anything else. */
function linksOf(lines: readonly SerialLine[]): Link[] {
  const starts = lines.flatMap(({ text }, i) => (text.startsWith("FIRST release=") ? [i] : []));
  return starts.map((start, i) => {
    const own = lines.slice(start, starts[i + 1]);
    return { sight: sightOf("FIRST", own), runs: runsOf(own) };
  });
}

const SEEN = ["release", "cmdline", "cpus", "efi", "boot-logo", "rsdp", "console", "e820"] as const;

/**
 * The lines of /proc/iomem, and as one what belongs together: a kernel shows the pieces of
 * setup_data by themselves, and -c and -s put these in different places.
 */
function joinedIomem(text: string | undefined): string[] {
  const joined: { readonly start: string; end: bigint; readonly name: string }[] = [];
  for (const line of (text ?? "").trim().split("\n")) {
    const [, start = "", end = "", name = ""] = /^([0-9a-f]+)-([0-9a-f]+) : (.+)$/.exec(line) ?? [];
    if (name === "") throw new Error(`not a line of /proc/iomem: ${line}`);
    const last = joined.at(-1);
    const belongs = last?.name === name && last.end + 1n === BigInt(`0x${start}`);
    if (last !== undefined && belongs) last.end = BigInt(`0x${end}`);
    else joined.push({ start, end: BigInt(`0x${end}`), name });
  }
  return joined.map(({ start, end, name }) => `${start}-${end.toString(16)} : ${name}`);
}

/** All that a kernel finds and that no start may change. */
function found({ sight, runs }: Link): Record<string, unknown> {
  const seen = SEEN.map((key) => [key, sight.get(key)]);
  return {
    ...Object.fromEntries(seen),
    "runtime-map": joinedRuntimeMap(sight.get("runtime-map")),
    "setup-data": runs.get("setup-data")?.output,
    iomem: joinedIomem(runs.get("iomem")?.output),
  };
}

const memoryKib = ({ sight }: Link): number => Number(sight.get("memory-kib"));

function expectChain({ lines }: MachineRun): void {
  const links = linksOf(lines);
  const numbers = links.map(({ runs }) => Number(runs.get("number")?.output));
  expect(numbers).toEqual(Array.from({ length: KERNELS }, (_, i) => i + 1));
  const [, second, ...later] = links;
  if (second === undefined) throw new Error("there is no second kernel");
  expect(second.sight.get("cmdline")).toBe(CHAIN);
  expect(second.sight.get("e820")).toContain("usable");
  expect(second.runs.get("setup-data")?.output).toMatch(/^0x\d+ \d+ bytes$/m);
  for (const [i, link] of later.entries()) {
    const name = `kernel ${i + 3}`;
    expect({ name, ...found(link) }).toEqual({ name, ...found(second) });
    // Where the kernel lies, which differs, decides how many whole pages of its own it frees.
    const lost = memoryKib(second) - memoryKib(link);
    expect({ name, lost: Math.abs(lost) < 64 ? 0 : lost }).toEqual({ name, lost: 0 });
  }
}

async function chain(setup: Pick<MachineSetup, "name" | "firmware">): Promise<void> {
  const run = await bootMachine({
    ...{ ...setup, kexec: KEXEC, commandLine: "chain", caseScript: CHAIN_SCRIPT },
    timeoutSeconds: SECONDS,
  });
  withLog(run, () => expectChain(run));
}

/** Loads and unloads before the first look: the kernel's caches and pools fill up. */
const WARM_UP = 12;
const FILES = `${IN_VM.kernel} --initrd=${IN_VM.initrd} --append="${CONSOLE} second"`;
/** A line that asks for Xen's own free memory, and waits until it is told. */
const LOOK = "looking at Xen's memory";

interface Way {
  readonly load: string;
  readonly unload: string;
  /** A command that prints 1 while the kernel is loaded, and 0 else. */
  readonly state: string;
}

const WAYS: readonly Way[] = [
  { load: "-c -l", unload: "-u", state: "cat /sys/kernel/kexec_loaded" },
  { load: "-s -l", unload: "-u", state: "cat /sys/kernel/kexec_loaded" },
  { load: "-c -p", unload: "-p -u", state: "cat /sys/kernel/kexec_crash_loaded" },
  { load: "-s -p", unload: "-p -u", state: "cat /sys/kernel/kexec_crash_loaded" },
];
const XEN_WAYS: readonly Way[] = [
  { load: "-l", unload: "-u", state: "kexec -S -l >/dev/null 2>&1; echo $?" },
  { load: "-p", unload: "-p -u", state: "kexec -S -p >/dev/null 2>&1; echo $?" },
];

/** Loads and unloads, the ways in turn, with a look at the free memory before and after. */
function loadsScript(ways: readonly Way[], count: number, more = ""): string {
  const cases = ways.map(
    ({ load, unload, state }, i) => `
    ${i})
      kexec ${load} ${FILES} || echo "load $i: status $?"
      [ "$(${state})" = 1 ] || echo "load $i: not loaded"
      kexec ${unload} || echo "unload $i: status $?"
      [ "$(${state})" = 0 ] || echo "unload $i: still loaded"
      ;;`,
  );
  return `
loads() {
  i=0
  while [ $i -lt $1 ]; do
    case $((i % ${ways.length})) in${cases.join("")}
    esac
    i=$((i + 1))
  done
  echo "$i loads"
}
look() {
  sync
  echo 3 >/proc/sys/vm/drop_caches
  # It gives back what each CPU keeps of free pages, which MemFree does not count.
  echo 1 >/proc/sys/vm/compact_memory
  sleep 2
  ${more}
  run $1 cat /proc/meminfo
}
run warm-up loads ${WARM_UP}
look before
run loads loads ${count}
look after
`;
}

/** KiB of one line of /proc/meminfo. */
function meminfo(run: MachineRun, look: string, key: string): number {
  const text = run.runs.get(look)?.output ?? "";
  const value = new RegExp(`^${key}: +(\\d+) kB$`, "m").exec(text)?.[1];
  if (value === undefined) throw new Error(`${look}: no ${key} in ${text}`);
  return Number(value);
}

/**
 * Every load and unload did what it should, and the kernel has its memory back. What moves by
 * itself is far less than a page for each load, and no load takes less than some.
 */
function expectNothingLost(run: MachineRun, count: number): void {
  expect(run.runs.get("warm-up")?.output).toBe(`${WARM_UP} loads\n`);
  expect(run.runs.get("loads")?.output).toBe(`${count} loads\n`);
  const grown = (key: string) => meminfo(run, "after", key) - meminfo(run, "before", key);
  const pages = 4 * count;
  expect({ key: "MemFree", lost: Math.max(-grown("MemFree"), pages) }).toEqual({
    key: "MemFree",
    lost: pages,
  });
  expect({ key: "Slab", grown: Math.max(grown("Slab"), pages) }).toEqual({
    key: "Slab",
    grown: pages,
  });
}

/** What is typed so that Xen says how much memory it has free, and dom0's script goes on. */
function xenAsked(): (line: SerialLine) => string | undefined {
  const switchInput = "\x01\x01\x01";
  let isAsked = false;
  return ({ text }) => {
    if (text.endsWith(LOOK)) {
      isAsked = true;
      return switchInput;
    }
    if (text.includes("*** Serial input to Xen")) return "m";
    if (/Dom heap: \d+kB free/.test(text)) return switchInput;
    if (!isAsked || !/\*\*\* Serial input to DOM0/i.test(text)) return undefined;
    isAsked = false;
    return "\n";
  };
}

beforeAll(() => {
  buildKexec();
});

describe("a chain of kernels", () => {
  test.concurrent("after a BIOS", () => chain({ name: "chain-bios" }), TIMEOUT);
  test.concurrent("after UEFI", () => chain({ name: "chain-uefi", firmware: "uefi" }), TIMEOUT);
});

describe("loads and unloads", () => {
  test.concurrent(
    "200 in one kernel",
    async () => {
      const run = await bootMachine({
        ...{ name: "many-loads", kexec: KEXEC, commandLine: "crashkernel=256M" },
        caseScript: loadsScript(WAYS, 200),
        timeoutSeconds: SECONDS,
      });
      withLog(run, () => expectNothingLost(run, 200));
    },
    TIMEOUT,
  );
  test.concurrent(
    "50 in a dom0 of Xen",
    async () => {
      const run = await bootMachine({
        ...{ name: "many-loads-xen", kexec: KEXEC, xen: { commandLine: "crashkernel=192M" } },
        caseScript: `xen_modules\n${loadsScript(XEN_WAYS, 50, `echo "${LOOK}"; read told`)}`,
        typed: xenAsked(),
        timeoutSeconds: SECONDS,
      });
      withLog(run, () => {
        expectNothingLost(run, 50);
        const free = run.lines.flatMap(
          ({ text }) => /Dom heap: (\d+)kB free/.exec(text)?.[1] ?? [],
        );
        expect(free).toHaveLength(2);
        expect(free[1]).toBe(free[0] ?? "");
      });
    },
    TIMEOUT,
  );
});
