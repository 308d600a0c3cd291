/**
 * Crash kernels, field by field: what both kexecs make of the same machine. The machines are files
 * in a mount namespace, made of recorded facts, or made up. Both load, the call is never made, and
 * the core header, the memory map and the command line for the crash kernel are compared.
 */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Elf64_Ehdr, Elf64_Phdr, PT_LOAD } from "../../src/core/elf.ts";
import { normalize, type Range, subtract } from "../../src/core/range.ts";
import { factsFromJson } from "../../src/facts/facts-file.ts";
import type { MemoryRange, MemoryType } from "../../src/model/memory.ts";
import { TIMEOUT_MS } from "./compare.ts";
import { type CrashMachine, filesOf } from "./crash-machine.ts";
import { INITRD, KERNEL } from "./inputs.ts";
import { commandLineOf, type E820Line, e820Of, type Loaded, load } from "./loaded.ts";
import { KEXEC_TOOLS, ONEKEXEC } from "./programs.ts";

function recorded(name: string): CrashMachine {
  const path = join(import.meta.dir, `../facts/machines/${name}.json`);
  const facts = factsFromJson(readFileSync(path, "utf8"));
  if (facts.crash === null) throw new Error(`${name} has no facts of crash kernels`);
  return { ...facts, crash: facts.crash };
}

const BASE = recorded("qemu-2g-vesa-edd-crash");

const ranges = (...list: [start: number, end: number, type?: MemoryType][]): MemoryRange[] =>
  list.map(([start, end, type = "ram"]) => ({ start: BigInt(start), end: BigInt(end), type }));

/** The machine with this memory, as the kernel and the firmware both see it. */
function withMemory(memory: MemoryRange[], ...crashRegions: [number, number][]): CrashMachine {
  const regions = crashRegions.map(([start, end]) => ({ start: BigInt(start), end: BigInt(end) }));
  const kernelText = { physical: 0x2000000n, virtual: 0xffffffff82000000n, size: 0x2000000n };
  return {
    ...BASE,
    crashRegions: regions,
    memoryMap: { source: "firmware-memmap", ranges: memory },
    crash: { ...BASE.crash, memory, kernelText },
  };
}

const MIB = 1 << 20;
const GIB = 1 << 30;

const MACHINES: readonly (readonly [string, CrashMachine])[] = [
  ["2 GiB after BIOS", BASE],
  ["6 GiB with a high and a low region", recorded("qemu-6g-crash-high")],
  ["2 CPUs after UEFI", recorded("qemu-uefi-crash")],
  [
    "a region at the start of RAM's last range",
    withMemory(ranges([0x1000, 0x9f000], [MIB, GIB], [GIB + MIB, 2 * GIB]), [
      GIB + MIB,
      GIB + 257 * MIB,
    ]),
  ],
  [
    "a region at its end, and low RAM in two pieces",
    withMemory(
      ranges(
        [0x1000, 0x58000],
        [0x58000, 0x59000, "acpi-nvs"],
        [0x59000, 0x9f000],
        [MIB, GIB],
        [GIB, GIB + MIB, "acpi"],
      ),
      [GIB - 256 * MIB, GIB],
    ),
  ],
  [
    "persistent memory of both kinds, above 4 GiB",
    withMemory(
      ranges(
        [0, 0x1000, "reserved"],
        [0x1000, 0x9f000],
        [MIB, GIB],
        [4 * GIB, 6 * GIB],
        [8 * GIB, 9 * GIB, "pmem"],
        [9 * GIB, 10 * GIB, "pram"],
      ),
      [256 * MIB, 320 * MIB],
      [5 * GIB, 5 * GIB + 256 * MIB],
    ),
  ],
  [
    "more ranges than a zero page has room for",
    withMemory(
      [
        ...ranges([0x1000, 0x9f000], [MIB, GIB]),
        ...ranges(
          ...Array.from({ length: 150 }, (_, i): [number, number, MemoryType] => {
            const start = GIB + i * MIB;
            return [start, start + 0x10000, i % 2 === 0 ? "reserved" : "acpi"];
          }),
        ),
      ],
      [512 * MIB, 768 * MIB],
    ),
  ],
];

/** Options of architectures first, since kexec-tools forgets an `--append` before them. */
const argvWith = (more: readonly string[]) =>
  ["-c", "-p", ...more, KERNEL, `--initrd=${INITRD}`, "--append=console=ttyS0 quiet"] as const;

const loadOn = (binary: string, machine: CrashMachine, more: readonly string[] = []) =>
  load(binary, argvWith(more), { files: filesOf(machine) });

interface CoreHeader {
  readonly at: bigint;
  readonly size: bigint;
  readonly file: unknown;
  readonly headers: readonly object[];
  /** Where the saved memory will be; null where none is saved. */
  readonly backup: bigint | null;
}

const MAGIC = 0x464c457f;

/** The core header, in which the place of the saved memory is written as `backup`. */
function coreHeaderOf({ segments, at }: Loaded): CoreHeader {
  const found = segments.filter(
    ({ mem, bufsz }) =>
      bufsz >= 64n && new DataView(at(mem, 4).buffer).getUint32(0, true) === MAGIC,
  );
  const [segment] = found;
  if (segment === undefined || found.length !== 1) throw new Error(`${found.length} core headers`);
  const bytes = at(segment.mem, Number(segment.bufsz));
  const file = Elf64_Ehdr.read(bytes);
  let backup: bigint | null = null;
  const headers = Array.from({ length: file.e_phnum }, (_, i) => {
    const header = Elf64_Phdr.read(bytes, 64 + i * 56);
    if (header.p_type !== PT_LOAD || header.p_offset === header.p_paddr) return header;
    backup = header.p_offset;
    return { ...header, p_offset: "backup" };
  });
  return { at: segment.mem, size: segment.memsz, file, headers, backup };
}

const RAM = 1;
const inside = (r: Range, outer: readonly Range[]) =>
  outer.some(({ start, end }) => start <= r.start && r.end <= end);

/** What the crash kernel is told of memory but for the RAM of the regions. */
const besides = (loaded: Loaded, { crashRegions }: CrashMachine): E820Line[] =>
  e820Of(loaded).filter((r) => r.type !== RAM || !inside(r, crashRegions));

/** The RAM of the regions that it is told of. */
const ramOf = (loaded: Loaded, { crashRegions }: CrashMachine): Range[] =>
  e820Of(loaded)
    .filter((r) => r.type === RAM && inside(r, crashRegions))
    .map(({ start, end }) => ({ start, end }));

/** The command line with the core header's place as `HERE`. */
const comparable = (loaded: Loaded): string =>
  commandLineOf(loaded).replace(
    `elfcorehdr=${coreHeaderOf(loaded).at / 1024n}K`,
    "elfcorehdr=HERE",
  );

const pages = (start: bigint, size: bigint): Range => ({
  start,
  end: start + ((size + 4095n) & ~4095n),
});

/** Ours alone: what can be wrong though both have it. */
function checkOwn(ours: Loaded, machine: CrashMachine): void {
  const last = machine.crashRegions.at(-1) ?? { start: 0n, end: 0n };
  for (const { mem, memsz } of ours.segments) {
    expect(inside({ start: mem, end: mem + memsz }, [last])).toBe(true);
  }
  const header = coreHeaderOf(ours);
  const saved = ours.segments.find(({ mem }) => mem === header.backup);
  const kept = [
    pages(header.at, header.size),
    ...(saved === undefined ? [] : [pages(saved.mem, saved.memsz)]),
  ];
  expect(ramOf(ours, machine)).toEqual(subtract(normalize(machine.crashRegions), kept));
}

async function compare(machine: CrashMachine, ...more: string[]): Promise<Loaded> {
  const theirs = await loadOn(KEXEC_TOOLS, machine, more);
  const ours = await loadOn(ONEKEXEC, machine, more);
  expect(theirs.outcome.status).toBe(0);
  expect(ours.outcome).toMatchObject({ status: 0, stdout: "", stderr: "" });
  const [their, our] = [coreHeaderOf(theirs), coreHeaderOf(ours)];
  expect(our.file).toEqual(their.file);
  expect(our.headers).toEqual(their.headers);
  expect(our.size).toBe(their.size);
  expect([our.backup === null, our.headers.length > 4]).toEqual([their.backup === null, true]);
  expect(besides(ours, machine)).toEqual(besides(theirs, machine));
  const flags = ({ outcome }: Loaded) =>
    outcome.calls.flatMap((call) => (call.name === "kexec_load" ? [call.flags] : []));
  expect(flags(ours)).toEqual(flags(theirs));
  expect(comparable(ours)).toBe(comparable(theirs));
  return ours;
}

describe("the core header, the memory map and the command line", () => {
  test.concurrent.each(MACHINES)(
    "%s",
    async (_, machine) => checkOwn(await compare(machine), machine),
    TIMEOUT_MS,
  );

  test.concurrent(
    "--noefi: the ACPI root pointer is told in words",
    async () => {
      const ours = await compare(recorded("qemu-uefi-crash"), "--noefi");
      expect(commandLineOf(ours)).toMatch(/ acpi_rsdp=0x[0-9a-f]+ elfcorehdr=\d+K$/);
    },
    TIMEOUT_MS,
  );
});

/** `memmap=` of RAM in the crash regions, which depends on what lies where. */
function withoutRegions(words: string, { crashRegions }: CrashMachine): string {
  return words.replaceAll(/ memmap=(\d+)K@(\d+)K/g, (word, size, start) => {
    const r = { start: BigInt(start) * 1024n, end: (BigInt(start) + BigInt(size)) * 1024n };
    return inside(r, crashRegions) ? "" : word;
  });
}

describe("--pass-memmap-cmdline", () => {
  test.concurrent.each(MACHINES.slice(0, 6))(
    "%s",
    async (_, machine) => {
      const option = ["--pass-memmap-cmdline"];
      const theirs = await loadOn(KEXEC_TOOLS, machine, option);
      const ours = await loadOn(ONEKEXEC, machine, option);
      expect(e820Of(ours)).toEqual(e820Of(theirs));
      const words = (loaded: Loaded) => withoutRegions(comparable(loaded), machine);
      expect(words(ours)).toContain("elfcorehdr=HERE memmap=exactmap memmap=");
      expect(words(ours)).toBe(words(theirs));
    },
    TIMEOUT_MS,
  );
});
