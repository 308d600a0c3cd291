/** The RAM that a dump contains, the crash facts that are required, and the crash regions. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  contains,
  normalize,
  overlaps,
  type Range,
  rangeSize,
  subtract,
} from "../../../src/core/range.ts";
import { noteOf } from "../../../src/model/fact-note.ts";
import type { CrashFacts, HostFacts } from "../../../src/model/host-facts.ts";
import { MEMORY_TYPES, type MemoryRange } from "../../../src/model/memory.ts";
import {
  checkCrashRegion,
  findCrashRegion,
  requireCrashRegion,
} from "../../../src/plan/crash/crash-region.ts";
import { crashFacts, dumpedMemory } from "../../../src/plan/crash/dumped-memory.ts";
import { refusal } from "../../kexec-error.ts";
import { machine } from "../golden.ts";

const ram = (start: bigint, end: bigint): MemoryRange => ({ start, end, type: "ram" });
const CRASH: CrashFacts = {
  memory: [ram(0x1000n, 0x9fc00n), ram(0x100000n, 0x7ffe0000n)],
  cpuNotes: [{ start: 0x7e83a400n, end: 0x7e83a570n }],
  dom0Vmcoreinfo: null,
  vmcoreinfo: { start: 0x134c000n, end: 0x134d024n },
  kernelText: { physical: 0x2ae00000n, virtual: 0xffffffff86200000n, size: 0x3430000n },
  pageOffset: 0xff181b5a00000000n,
};
const LINUX: HostFacts = { ...machine("qemu-1g-bios"), notes: [], crash: CRASH };

const dumped = (memory: readonly MemoryRange[], reserved: readonly Range[] = []) =>
  dumpedMemory({ ...CRASH, memory }, reserved, 0xa0000n);

describe("the dumped RAM", () => {
  test("is all RAM without the crash regions", () => {
    const others: MemoryRange[] = [
      { start: 0n, end: 0x1000n, type: "reserved" },
      { start: 0x7ffe0000n, end: 0x80000000n, type: "acpi" },
    ];
    const reserved = [{ start: 0x6e000000n, end: 0x7e000000n }];
    expect(dumped([...CRASH.memory, ...others], reserved)).toEqual({
      ram: [
        { start: 0x1000n, end: 0x9fc00n },
        { start: 0x100000n, end: 0x6e000000n },
        { start: 0x7e000000n, end: 0x7ffe0000n },
      ],
      saved: { start: 0x1000n, end: 0x9fc00n },
    });
  });

  test("keeps adjacent ranges separate, and has a range inside another only once", () => {
    const memory = [
      ram(0x900000n, 0xa00018n),
      ram(0xa00018n, 0xb00000n),
      ram(0xa80000n, 0xc00000n),
    ];
    expect(dumped(memory).ram).toEqual([
      { start: 0x900000n, end: 0xa00018n },
      { start: 0xa00018n, end: 0xb00000n },
      { start: 0xb00000n, end: 0xc00000n },
    ]);
  });

  test("has no empty range where a crash region begins, ends or fills a range of RAM", () => {
    const memory = [ram(0x100000n, 0x200000n), ram(0x300000n, 0x400000n)];
    const of = (...reserved: Range[]) => dumped(memory, reserved).ram.map((r) => [r.start, r.end]);
    expect(of({ start: 0x180000n, end: 0x200000n })[0]).toEqual([0x100000n, 0x180000n]);
    expect(of({ start: 0x100000n, end: 0x180000n })[0]).toEqual([0x180000n, 0x200000n]);
    expect(of({ start: 0x100000n, end: 0x200000n })).toEqual([[0x300000n, 0x400000n]]);
    expect(of({ start: 0x180000n, end: 0x380000n })).toEqual([
      [0x100000n, 0x180000n],
      [0x380000n, 0x400000n],
    ]);
  });
});

describe("the saved RAM", () => {
  test("is the first range of RAM below 640 KiB", () => {
    const memory = [ram(0x1000n, 0x58000n), ram(0x59000n, 0x9f000n), ram(0x100000n, 0x200000n)];
    expect(dumped(memory).saved).toEqual({ start: 0x1000n, end: 0x58000n });
  });

  test("ends at 640 KiB: a range that crosses it is split", () => {
    const { ram: pieces, saved } = dumped([ram(0n, 0x200000n)]);
    expect(saved).toEqual({ start: 0n, end: 0xa0000n });
    expect(pieces).toEqual([
      { start: 0n, end: 0xa0000n },
      { start: 0xa0000n, end: 0x200000n },
    ]);
  });

  test("is nothing where the architecture's crash kernels use no low memory", () => {
    const memory = [ram(0n, 0x200000n)];
    expect(dumpedMemory({ ...CRASH, memory }, [], null)).toEqual({
      ram: [{ start: 0n, end: 0x200000n }],
      saved: null,
    });
  });

  test("is nothing where there is no such RAM", () => {
    expect(dumped([ram(0x100000n, 0x200000n)]).saved).toBeNull();
    expect(dumped([]).saved).toBeNull();
  });
});

const address = fc.bigInt(0n, 0x300n).map((n) => n * 0x1000n);
const range = fc
  .tuple(address, address)
  .map(([a, b]) => (a < b ? { start: a, end: b } : { start: b, end: a }));
const memoryRange = fc
  .tuple(range, fc.constantFrom(...MEMORY_TYPES))
  .map(([r, type]): MemoryRange => ({ ...r, type }));

test("every address of RAM but the reserved ones is dumped exactly once, and no other", () => {
  fc.assert(
    fc.property(fc.array(memoryRange), fc.array(range, { maxLength: 4 }), (memory, reserved) => {
      const { ram: pieces, saved } = dumped(memory, reserved);
      const all = memory.filter(({ type }) => type === "ram");
      expect(normalize(pieces)).toEqual(subtract(all, reserved));
      const total = normalize(pieces).reduce((sum, r) => sum + rangeSize(r), 0n);
      expect(pieces.reduce((sum, r) => sum + rangeSize(r), 0n)).toBe(total);
      expect(pieces.every((r, i) => i === 0 || (pieces[i - 1]?.end ?? 0n) <= r.start)).toBe(true);
      const holes = normalize(reserved);
      expect(pieces.every((r) => !holes.some((hole) => overlaps(r, hole)))).toBe(true);
      if (saved === null) expect(pieces.every(({ start }) => start >= 0xa0000n)).toBe(true);
      else expect(pieces.some((r) => contains(r, saved) && contains(saved, r))).toBe(true);
    }),
  );
});

describe("a crash kernel is refused", () => {
  test.each<[string, HostFacts, string, number]>([
    [
      "where the facts are an earlier version's",
      { ...LINUX, crash: null },
      "The facts lack the crash facts of the running kernel, which a crash kernel needs",
      255,
    ],
    [
      "where no RAM is known",
      { ...LINUX, crash: { ...CRASH, memory: [] } },
      "Could not get memory layout",
      255,
    ],
    [
      "without a CPU's notes",
      { ...LINUX, crash: { ...CRASH, cpuNotes: [] } },
      "Cannot parse /sys/devices/system/cpu/cpu0/crash_notes",
      1,
    ],
    [
      "with damaged notes of a CPU",
      {
        ...LINUX,
        crash: { ...CRASH, cpuNotes: [] },
        notes: [
          {
            source: "CPU notes",
            text: 'Cannot parse /sys/devices/system/cpu/cpu3/crash_notes: "?".',
          },
        ],
      },
      'Cannot parse /sys/devices/system/cpu/cpu3/crash_notes: "?"',
      1,
    ],
    [
      "without vmcoreinfo",
      { ...LINUX, crash: { ...CRASH, vmcoreinfo: null } },
      "Cannot parse /sys/kernel/vmcoreinfo",
      1,
    ],
    [
      "without the kernel's mapping",
      { ...LINUX, crash: { ...CRASH, kernelText: null } },
      "Can't find kernel text map area from kcore\nCannot load K",
      255,
    ],
    [
      "where kcore cannot be read",
      {
        ...LINUX,
        crash: { ...CRASH, kernelText: null },
        notes: [{ source: "/proc/kcore", text: "Operation not permitted." }],
      },
      "Cannot open /proc/kcore: Operation not permitted\n" +
        "Cannot read /proc/kcore: Operation not permitted\nCannot load K",
      255,
    ],
    [
      "where kcore is damaged, and its reason is the hint's",
      {
        ...LINUX,
        crash: { ...CRASH, kernelText: null },
        notes: [
          {
            source: "kernel text",
            text: "ELF core (kcore) parse failed: /proc/kcore has 6 bytes.",
          },
        ],
      },
      "ELF core (kcore) parse failed\nCannot load K",
      255,
    ],
  ])("%s", (_, facts, message, exitStatus) => {
    const error = refusal(() => crashFacts(facts, "K"));
    expect(error).toMatchObject({ code: "facts.crash", message, exitStatus });
    expect(error.hint?.split("\n").length).toBeLessThanOrEqual(3);
  });

  test("but not for lack of a fact that the host does not need", () => {
    const crashRules = { ...LINUX.crashRules, needs: [] };
    const crash = { ...CRASH, vmcoreinfo: null, kernelText: null };
    expect(crashFacts({ ...LINUX, crashRules, crash }, "K")).toEqual(crash);
  });
});

describe("the crash regions", () => {
  const low = { start: 0x1000n, end: 0x9f000n };
  const a = { start: 0x2000000n, end: 0x4000000n };
  const b = { start: 0x100000000n, end: 0x110000000n };

  test("the highest is for the segments, all are the crash kernel's RAM", () => {
    const region = requireCrashRegion({ ...LINUX, crashRegions: [a, b] });
    const sizes = { usedSize: 0x10000000n, allSize: 0x12000000n };
    expect(region).toEqual({ used: b, all: [a, b], cma: [], ...sizes });
    expect(() => checkCrashRegion(region, low)).not.toThrow();
    expect(() => checkCrashRegion(region, null)).not.toThrow();
  });

  test.each<[string, Range[]]>([
    ["an empty one", [{ start: 0x2000000n, end: 0x2000000n }]],
    ["two that overlap", [a, { start: 0x3000000n, end: 0x5000000n }]],
    ["one that overlaps the low memory", [{ start: 0x9000n, end: 0x5000000n }]],
  ])("%s: refused in kexec-tools' words", (_, regions) => {
    const region = requireCrashRegion({ ...LINUX, crashRegions: regions });
    const error = refusal(() => checkCrashRegion(region, low));
    expect(error.exitStatus).toBe(254);
    expect(error.message).toBe(
      "No crash kernel segment found in /proc/iomem\n" +
        "Please check the crashkernel= boot parameter.",
    );
  });

  test("none: the note that explains it is the hint", () => {
    const sentence = "/proc/iomem: all addresses are zero, which hides where memory is.";
    const facts = { ...LINUX, crashRegions: [], notes: [noteOf(sentence, "memory map")] };
    expect(findCrashRegion(facts)).toBeNull();
    const error = refusal(() => requireCrashRegion(facts));
    expect(error.exitStatus).toBe(1);
    expect(error.hint).toBe(sentence);
  });
});
