/**
 * Crash kernels, field by field: what both kexecs make of the same machine. The machines are files
 * in a mount namespace, made of recorded facts, or made up. Both load, the call is never made, and
 * the core header, the memory map and the command line for the crash kernel are compared.
 */

import { describe, expect, test } from "bun:test";
import { normalize, type Range, subtract } from "../../src/core/range.ts";
import type { MemoryRange, MemoryType } from "../../src/model/memory.ts";
import { readelf } from "../readelf.ts";
import { TIMEOUT_MS } from "./compare.ts";
import { type CrashMachine, filesOf, recorded, withMemory } from "./crash-machine.ts";
import { difference } from "./differences.ts";
import { INITRD, KERNEL } from "./inputs.ts";
import {
  type CoreHeader,
  commandLineOf,
  coreHeaderOf,
  type E820Line,
  e820Of,
  type Header,
  isMoved,
  type Loaded,
  load,
} from "./loaded.ts";
import { KEXEC_TOOLS, ONEKEXEC } from "./programs.ts";

const BASE = recorded("qemu-2g-vesa-edd-crash");

const ranges = (...list: [start: number, end: number, type?: MemoryType][]): MemoryRange[] =>
  list.map(([start, end, type = "ram"]) => ({ start: BigInt(start), end: BigInt(end), type }));

const made = (memory: MemoryRange[], ...regions: [number, number][]): CrashMachine =>
  withMemory(BASE, memory, ...regions);

const MIB = 1 << 20;
const GIB = 1 << 30;

const MACHINES: readonly (readonly [string, CrashMachine])[] = [
  ["2 GiB after BIOS", BASE],
  ["6 GiB with a high and a low region", recorded("qemu-6g-crash-high")],
  ["2 CPUs after UEFI", recorded("qemu-uefi-crash")],
  [
    "a region at the start of RAM's last range",
    made(ranges([0x1000, 0x9f000], [MIB, GIB], [GIB + MIB, 2 * GIB]), [GIB + MIB, GIB + 257 * MIB]),
  ],
  [
    "a region at its end, and low RAM in two pieces",
    made(
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
    made(
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
    made(
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

/** A program header, but for where the saved memory will be. */
const placeless = (header: Header) =>
  isMoved(header) ? { ...header, p_offset: "backup" } : header;

/** What readelf makes of a core header; where the saved memory will be is "BACKUP". */
function readBack({ at }: Loaded, { at: start, size, backup }: CoreHeader): string {
  const text = readelf(at(start, Number(size)), "-hlW");
  return backup === null ? text : text.replace(` 0x${backup.toString(16)} `, " BACKUP ");
}

async function compare(machine: CrashMachine, ...more: string[]): Promise<Loaded> {
  const theirs = await loadOn(KEXEC_TOOLS, machine, more);
  const ours = await loadOn(ONEKEXEC, machine, more);
  expect(theirs.outcome.status).toBe(0);
  expect(ours.outcome).toMatchObject({ status: 0, stdout: "", stderr: "" });
  const [their, our] = [coreHeaderOf(theirs), coreHeaderOf(ours)];
  expect(our.file).toEqual(their.file);
  expect(our.headers.map(placeless)).toEqual(their.headers.map(placeless));
  expect(our.size).toBe(their.size);
  const read = readBack(ours, our);
  expect(read).toContain("CORE (Core file)");
  expect(read.match(/^ {2}(NOTE|LOAD) /gm)).toHaveLength(our.headers.length);
  expect(read).toBe(readBack(theirs, their));
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

describe(`--pass-memmap-cmdline; ${difference("crash-kaslr").id}`, () => {
  test.concurrent.each(MACHINES.slice(0, 6))(
    "%s",
    async (_, machine) => {
      const option = ["--pass-memmap-cmdline"];
      const theirs = await loadOn(KEXEC_TOOLS, machine, option);
      const ours = await loadOn(ONEKEXEC, machine, option);
      expect(e820Of(ours)).toEqual(e820Of(theirs));
      const words = (loaded: Loaded) => withoutRegions(comparable(loaded), machine);
      expect(words(ours)).toContain("elfcorehdr=HERE memmap=exactmap memmap=");
      expect(words(ours)).toBe(`${words(theirs)} nokaslr`);
    },
    TIMEOUT_MS,
  );
});
