/** Plans with --load-preserve-context. */

import { describe, expect, test } from "bun:test";
import { BootParams } from "../../../src/arch/x86-64/handoff/boot-params.ts";
import { textOf } from "../../../src/core/bytes.ts";
import { Elf64_Ehdr, Elf64_Phdr, PT_LOAD } from "../../../src/core/elf.ts";
import { covers, normalize, overlaps, type Range, rangeOf } from "../../../src/core/range.ts";
import { E820_TYPE_ACPI, E820_TYPE_RAM, E820Entry } from "../../../src/facts/e820-entry.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import type { LoadRequest } from "../../../src/model/request.ts";
import { buildFilePlan, buildSegmentPlan } from "../../../src/plan/build-plan.ts";
import { makeBzImage } from "../../images/make-bzimage.ts";
import { refusal } from "../../kexec-error.ts";
import { expectGoldenPlan, machine } from "../golden.ts";
import { entryOf, file, pattern, segment } from "../pieces.ts";
import { loadRequest, NO_FILES, NO_LOADER } from "../requests.ts";

const RECORDED = machine("qemu-2g-vesa-edd-crash");
const MAX = 0x1fffffffn;
/** The recorded facts with vmcoreinfo above the memory that is swapped. */
const FACTS: HostFacts = {
  ...RECORDED,
  crash: RECORDED.crash && {
    ...RECORDED.crash,
    vmcoreinfo: { start: 0x60001000n, end: 0x60002024n },
  },
};
const KERNEL = file("/boot/vmlinuz", makeBzImage());

const requestOf = (changes: Partial<LoadRequest> = {}) =>
  loadRequest({ purpose: "preserve-context", memMax: MAX, ...changes });

const plan = (changes: Partial<LoadRequest> = {}, facts = FACTS) =>
  buildSegmentPlan(requestOf(changes), facts, {
    ...NO_FILES,
    kernel: KERNEL,
    initrd: file("/boot/initrd", pattern(0x12345)),
  });

const usable = (): Range[] =>
  normalize(
    (FACTS.memoryMap?.ranges ?? [])
      .filter(({ type, start }) => type === "ram" && start <= MAX)
      .map(({ start, end }) => ({ start, end: end > MAX ? MAX + 1n : end })),
  );

describe("the plan for a kernel that jumps back", () => {
  const made = plan();

  test("is that of the golden file", () => {
    expectGoldenPlan("preserve-context", made, FACTS);
  });

  test("has all whole pages of RAM below --mem-max in segments", () => {
    const taken = normalize(made.segments.map(rangeOf));
    for (const { start, end } of usable()) {
      const whole = { start: (start + 0xfffn) & ~0xfffn, end: end & ~0xfffn };
      expect(covers(taken, whole)).toBe(true);
    }
    expect(made.segments.every(({ start, size }) => start + size <= MAX + 1n)).toBe(true);
  });

  test("has a core header that describes no swapped memory", () => {
    const { bytes } = segment(made, "elfcorehdr");
    const loads = Array.from({ length: Elf64_Ehdr.read(bytes).e_phnum }, (_, i) =>
      Elf64_Phdr.read(bytes, 64 + 56 * i),
    ).filter(({ p_type }) => p_type === PT_LOAD);
    const swapped = { start: 0n, end: MAX + 1n };
    for (const { p_paddr, p_memsz } of loads) {
      expect(overlaps(swapped, { start: p_paddr, end: p_paddr + p_memsz })).toBe(false);
    }
    expect(loads.length).toBeGreaterThan(0);
  });

  test("has no memory above --mem-max, and not the core header, as RAM in the e820 table", () => {
    const page = segment(made, "boot-params").bytes;
    const { e820_entries, e820_table } = BootParams.read(page);
    const header = rangeOf(segment(made, "elfcorehdr"));
    const ram = Array.from({ length: e820_entries }, (_, i) =>
      E820Entry.read(e820_table, i * E820Entry.size),
    ).filter(({ type }) => type === E820_TYPE_RAM);
    expect(ram.length).toBeGreaterThan(1);
    for (const { addr, size } of ram) {
      expect(addr + size <= MAX + 1n).toBe(true);
      expect(overlaps(header, { start: addr, end: addr + size })).toBe(false);
    }
  });

  test("has room behind the command line's NUL for the address to jump back to", () => {
    const { start, bytes } = segment(made, "boot-params");
    const at = Number(entryOf(made).jump_back_text - start);
    const text = textOf(bytes.subarray(4096, at));
    expect(text).toBe(made.commandLine ?? "");
    expect(text).toMatch(/^root=\/dev\/vda1 quiet.* elfcorehdr=\d+K$/);
    expect(bytes.subarray(at, at + 49)).toEqual(new Uint8Array(49));
  });
});

test("without a core header where the running kernel's vmcoreinfo is swapped out", () => {
  const made = plan({}, RECORDED);
  expect(made.segments.some(({ role }) => role === "elfcorehdr")).toBe(false);
  expect(made.commandLine).not.toContain("elfcorehdr");
  expect(made.notes.join("\n")).toContain(
    "no /proc/vmcore: this kernel's vmcoreinfo is swapped out",
  );
});

test("preserved memory is of type ACPI in the e820 table: mapped, but not RAM", () => {
  const { e820_entries, e820_table } = BootParams.read(segment(plan(), "boot-params").bytes);
  const above = Array.from({ length: e820_entries }, (_, i) =>
    E820Entry.read(e820_table, i * E820Entry.size),
  ).filter(({ addr }) => addr > MAX && addr < 0x7ffe0000n);
  expect(above).toEqual([{ addr: MAX + 1n, size: 0x5ffe0000n, type: E820_TYPE_ACPI }]);
});

test("an ordinary kernel gets no address to jump back to", () => {
  const made = plan({ purpose: "normal" });
  expect(entryOf(made).jump_back_text).toBe(0n);
});

test("refused: no RAM below --mem-max but the lowest", () => {
  const error = refusal(() => plan({ memMax: 0x9fffn }));
  expect(error.exitStatus).toBe(255);
});

test("refused: more than half of the machine's memory", () => {
  expect(refusal(() => plan({ memMax: 0x7fffffffn })).code).toBe("plan.too-large");
});

test("refused: a command line without room for the address to jump back to", () => {
  const commandLine = "x".repeat(2000);
  const loader = { ...NO_LOADER, commandLine };
  expect(refusal(() => plan({ loader })).message).toBe("Command line overflow");
  expect(plan({ purpose: "normal", loader }).commandLine).toBe(commandLine);
});

test("kexec_file_load cannot load for this purpose", () => {
  const handed = { kernel: { path: "k", fd: 3, size: 1n }, initrd: null };
  const plan = buildFilePlan(requestOf(), FACTS, KERNEL, () => handed);
  expect(plan).toEqual({ notByFile: expect.stringContaining("kexec_file_load") });
});
