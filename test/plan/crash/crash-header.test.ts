/** The core header of machines with any memory map has each byte of the dumped RAM exactly once. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { x86_64 } from "../../../src/arch/x86-64/index.ts";
import { ADDRESS_END } from "../../../src/core/address.ts";
import { Elf64_Ehdr, Elf64_Phdr, PT_LOAD, PT_NOTE } from "../../../src/core/elf.ts";
import { normalize, overlaps, type Range, rangeSize, subtract } from "../../../src/core/range.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import { MEMORY_TYPES, type MemoryRange } from "../../../src/model/memory.ts";
import { planCrash } from "../../../src/plan/crash/crash-plan.ts";
import { requireCrashRegion } from "../../../src/plan/crash/crash-region.ts";
import type { PurposePlan } from "../../../src/plan/purpose/purpose.ts";
import { machine } from "../golden.ts";
import { putAt } from "../pieces.ts";
import { loadRequest } from "../requests.ts";

const BASE = machine("qemu-2g-vesa-edd-crash");
const TEXT = { physical: 0x200000n, virtual: 0xffffffff81000000n, size: 0x1000000n };
const RUNS = { seed: 20_260_402, numRuns: 500 };

/** Below 1 MiB, below 4 GiB, and above, where pages and where single bytes are the unit. */
const address = fc.oneof(
  fc.bigInt(0n, 0x100n).map((n) => n * 0x1000n),
  fc.bigInt(0n, 0x110000n),
  fc.bigInt(0n, 0x1000n).map((n) => n << 20n),
  fc.bigInt(0n, 0x80n).map((n) => n << 28n),
  fc.bigInt(0n, ADDRESS_END - 1n),
);
const range = fc
  .tuple(address, address)
  .filter(([a, b]) => a !== b)
  .map(([a, b]): Range => (a < b ? { start: a, end: b } : { start: b, end: a }));
const memoryRange = fc
  .tuple(range, fc.constantFrom("ram", ...MEMORY_TYPES))
  .map(([r, type]): MemoryRange => ({ ...r, type }));

/** Some RAM, and apart from each other up to four regions; the kernel takes segments for the last,
 * which has room for them. */
const machines = fc
  .record({
    memory: fc.array(memoryRange, { maxLength: 12 }),
    regions: fc.array(range, { maxLength: 3 }),
    cpus: fc.integer({ min: 1, max: 20 }),
    pageOffset: fc.constantFrom(0xffff888000000000n, 0xff11000000000000n, 0xffffffff_c0000000n),
    text: fc.boolean(),
  })
  .map(({ memory, regions, cpus, pageOffset, text }): HostFacts => {
    const last = { start: 1n << 40n, end: (1n << 40n) + (256n << 20n) };
    const ram: MemoryRange = { start: 0xff_0000_0000n, end: last.end + 0x1000_0000n, type: "ram" };
    const apart = normalize(regions)
      .flatMap((r) => subtract([r], [{ start: 0n, end: 0xa0000n }]))
      .filter((r) => r.end < last.start);
    return {
      ...BASE,
      crashRegions: [...apart, last],
      crash: {
        memory: [...memory, ram],
        cpuNotes: Array.from({ length: cpus }, (_, i) => {
          const start = 0x7000_0000n + BigInt(i) * 0x1000n;
          return { start, end: start + 368n };
        }),
        vmcoreinfo: { start: 0x134c000n, end: 0x134d024n },
        dom0Vmcoreinfo: null,
        kernelText: text ? TEXT : null,
        pageOffset,
      },
    };
  });

/** From the top of the last region down. */
function planFor(facts: HostFacts): PurposePlan {
  let top = facts.crashRegions.at(-1)?.end ?? 0n;
  const request = loadRequest({ purpose: "crash" });
  const lenient = { ...facts, crashRules: { ...BASE.crashRules, needs: [] } };
  return planCrash(request, lenient, requireCrashRegion(facts), {
    arch: x86_64,
    takesEfi: false,
    put: putAt((size) => {
      top -= size;
      return top;
    }),
  });
}

const piece = (plan: PurposePlan, role: string) => plan.segments.find((one) => one.role === role);

/** The program headers: of notes, of the kernel's text, of memory. */
function headersOf(plan: PurposePlan, { crash }: HostFacts) {
  const bytes = piece(plan, "elfcorehdr")?.bytes ?? new Uint8Array(0);
  const { e_phnum, e_phoff, e_phentsize } = Elf64_Ehdr.read(bytes);
  const all = Array.from({ length: e_phnum }, (_, i) =>
    Elf64_Phdr.read(bytes, Number(e_phoff) + i * e_phentsize),
  );
  const loads = all.filter(({ p_type }) => p_type === PT_LOAD);
  const texts = crash?.kernelText === null ? 0 : 1;
  return {
    bytes,
    notes: all.filter(({ p_type }) => p_type === PT_NOTE),
    text: loads.slice(0, texts),
    memory: loads.slice(texts),
  };
}

const placeOf = (h: { readonly p_paddr: bigint; readonly p_memsz: bigint }): Range => ({
  start: h.p_paddr,
  end: h.p_paddr + h.p_memsz,
});
const sum = (ranges: readonly Range[]) => ranges.reduce((all, r) => all + rangeSize(r), 0n);
const isInside = (at: bigint, { start, end }: Range) => start <= at && at < end;

const toDump = ({ crash, crashRegions }: HostFacts): Range[] =>
  subtract(
    (crash?.memory ?? []).filter(({ type }) => type === "ram"),
    crashRegions,
  );

describe("on any machine", () => {
  test("the headers have all RAM without the crash regions, and no byte twice", () => {
    fc.assert(
      fc.property(machines, (facts) => {
        const { memory } = headersOf(planFor(facts), facts);
        const found = memory.map(placeOf);
        expect(normalize(found)).toEqual(toDump(facts));
        expect(sum(found)).toBe(sum(normalize(found)));
        for (const { p_filesz, p_memsz } of memory) expect(p_filesz).toBe(p_memsz);
      }),
      RUNS,
    );
  });

  test("an address of RAM is in exactly one of them, at its virtual address", () => {
    fc.assert(
      fc.property(machines, fc.array(address, { maxLength: 20 }), (facts, addresses) => {
        const { memory } = headersOf(planFor(facts), facts);
        const dumped = toDump(facts);
        const edges = dumped.flatMap(({ start, end }) => [start, end - 1n, end]);
        for (const at of [...addresses, ...edges]) {
          const holding = memory.filter((h) => isInside(at, placeOf(h)));
          expect(holding).toHaveLength(dumped.some((r) => isInside(at, r)) ? 1 : 0);
          for (const h of holding) {
            const virtual = BigInt.asUintN(64, h.p_paddr + (facts.crash?.pageOffset ?? 0n));
            expect(h.p_vaddr).toBe(virtual);
          }
        }
      }),
      RUNS,
    );
  });

  test("saved RAM is read from the backup, all other RAM from its own address", () => {
    fc.assert(
      fc.property(machines, (facts) => {
        const plan = planFor(facts);
        const { memory } = headersOf(plan, facts);
        const moved = memory.filter(({ p_offset, p_paddr }) => p_offset !== p_paddr);
        const backup = piece(plan, "backup");
        const low = toDump(facts).some(({ start }) => start < 0xa0000n);
        expect(moved).toHaveLength(low ? 1 : 0);
        expect([plan.backup !== null, backup !== undefined]).toEqual([low, low]);
        if (backup === undefined || plan.backup === null || moved[0] === undefined) return;
        expect(moved[0].p_offset).toBe(backup.start);
        expect(placeOf(moved[0])).toEqual({ ...plan.backup.source });
        expect(moved[0].p_memsz <= backup.size).toBe(true);
        const [a, b] = plan.segments.map(({ start, size }) => ({ start, end: start + size }));
        expect(a !== undefined && b !== undefined && !overlaps(a, b)).toBe(true);
      }),
      RUNS,
    );
  });

  test("every CPU, vmcoreinfo and the kernel's text have a header of their own", () => {
    fc.assert(
      fc.property(machines, (facts) => {
        const { bytes, notes, text } = headersOf(planFor(facts), facts);
        const { crash } = facts;
        expect(notes.map(placeOf)).toEqual([
          ...(crash?.cpuNotes ?? []),
          ...(crash?.vmcoreinfo ? [crash.vmcoreinfo] : []),
        ]);
        expect(text.map(({ p_vaddr, p_offset, p_memsz }) => [p_vaddr, p_offset, p_memsz])).toEqual(
          crash?.kernelText ? [[TEXT.virtual, TEXT.physical, TEXT.size]] : [],
        );
        expect(bytes.length % 1024).toBe(0);
      }),
      RUNS,
    );
  });
});
