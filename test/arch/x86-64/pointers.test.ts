/** Plans in which one address is damaged, in a register or in a structure: each is refused. */

import { describe, expect, test } from "bun:test";
import { readRootPointerCopy } from "../../../src/arch/x86-64/handoff/root-pointer-copy.ts";
import { x86Purgatory } from "../../../src/arch/x86-64/purgatory/index.ts";
import { KexecError } from "../../../src/core/error.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import type { SegmentPlan, SegmentRole } from "../../../src/model/load-plan.ts";
import type { LoadRequest } from "../../../src/model/request.ts";
import { buildSegmentPlan } from "../../../src/plan/build-plan.ts";
import { checkPlan } from "../../../src/plan/check-plan.ts";
import { makeBzImage } from "../../images/make-bzimage.ts";
import { makeElf } from "../../images/make-elf.ts";
import { multiboot2Header, multibootHeader } from "../../images/make-multiboot.ts";
import { makeNbi } from "../../images/make-nbi.ts";
import { orRefusal } from "../../kexec-error.ts";
import { machine } from "../../plan/golden.ts";
import { file, pattern, segment } from "../../plan/pieces.ts";
import { loadRequest, NO_FILES, NO_LOADER } from "../../plan/requests.ts";

const { parameterOffset } = x86Purgatory().manifest;
const ALL = [{ start: 0n, end: 1n << 64n }];
const MODULES = [
  { ...file("/boot/a", pattern(0x5001)), commandLine: "/boot/a one" },
  { ...file("/boot/b", pattern(0x300)), commandLine: "/boot/b" },
];

/** A plan, and the facts that it is for. */
interface Made {
  readonly plan: SegmentPlan;
  readonly facts: HostFacts;
}

interface From extends Partial<Omit<LoadRequest, "kernel">> {
  readonly on?: string;
  readonly kernel: Uint8Array;
  readonly initrd?: boolean;
  readonly modules?: boolean;
}

function made({ on = "qemu-uefi", kernel, initrd, modules, ...request }: From): Made {
  const known = machine(on);
  const facts = { ...known, rngSeed: new Uint8Array(32).fill(1) };
  const loader = { ...NO_LOADER, commandLine: "quiet", ...request.loader };
  const plan = buildSegmentPlan(loadRequest({ ...request, loader }), facts, {
    ...NO_FILES,
    kernel: file("/boot/vmlinuz", kernel),
    initrd: initrd === true ? file("/boot/initrd", pattern(5000)) : null,
    modules: modules === true ? MODULES : [],
  });
  return { plan, facts };
}

const elf = (bits: 32 | 64, bytes: Uint8Array, physical = 0x2000000n) =>
  makeElf({ bits, parts: [{ physical, bytes }] });

function elfWith(header: Uint8Array): Uint8Array {
  const bytes = pattern(0x800);
  bytes.set(header, 4);
  return elf(32, bytes, 0x200000n);
}

const RELOCATABLE = [10, 1, 0x200000, 0xffffffff, 0x200000, 2] as const;
const NBI = { location: 0x1000_0000, records: [{ address: 0x100000, bytes: pattern(3000) }] };
const REAL = { loader: { ...NO_LOADER, realMode: true, given: ["real-mode"] } };
const PLANS = {
  bzImage64: () => made({ kernel: makeBzImage(), initrd: true }),
  bzImage: () => made({ kernel: makeBzImage(), initrd: true, type: "bzImage" }),
  crash: () =>
    made({
      ...{ on: "qemu-2g-vesa-edd-crash", kernel: makeBzImage(), initrd: true, purpose: "crash" },
    }),
  real: () => made({ on: "qemu-6g-bios", kernel: makeBzImage(), initrd: true, ...REAL }),
  old: () =>
    made({
      on: "qemu-6g-bios",
      kernel: makeBzImage({ version: 0x0201, relocatable: 0, xloadflags: 0 }),
      initrd: true,
    }),
  elf64: () => made({ kernel: elf(64, pattern(0x123)) }),
  elf32: () => made({ kernel: elf(32, pattern(0x123)) }),
  multiboot: () => made({ on: "qemu-6g-bios", kernel: elfWith(multibootHeader(3)), modules: true }),
  multiboot2: () => made({ kernel: elfWith(multiboot2Header([RELOCATABLE])), modules: true }),
  nbi16: () => made({ on: "qemu-6g-bios", kernel: makeNbi({ ...NBI, entry: 0x1000_0000 }) }),
  nbi32: () =>
    made({
      on: "qemu-6g-bios",
      kernel: makeNbi({ ...NBI, entry: 0x100000, flags: 0x8000_0000 }),
    }),
} as const satisfies Record<string, () => Made>;
type PlanName = keyof typeof PLANS;

/** What checkPlan says of the plan with one segment's bytes changed. */
function saidOf({ plan, facts }: Made, role?: SegmentRole, change?: (view: DataView) => void) {
  const segments = plan.segments.map((s) => {
    if (s !== plan.segments.find((one) => one.role === role) || change === undefined) return s;
    const bytes = s.bytes.slice();
    change(new DataView(bytes.buffer));
    return { ...s, bytes };
  });
  const answer = orRefusal(() => checkPlan({ ...plan, segments }, ALL, facts));
  return answer instanceof KexecError ? `${answer.code}: ${answer.message}` : "";
}

test.each(Object.keys(PLANS) as PlanName[])("the plan %s, undamaged", (name) => {
  expect(saidOf(PLANS[name]())).toBe("");
});

/** Offsets in the purgatory's block. [entry.h] */
const REGISTER = {
  ...{ rax: 0x40, rbx: 0x48, rsi: 0x60, rdi: 0x68, rsp: 0x70, rip: 0xc0 },
  ...{ cs: 0xc8, ds: 0xca, ss: 0xce, jumpBackText: 0xd8 },
} as const;

describe("registers", () => {
  test.each<[PlanName, keyof typeof REGISTER, bigint, string]>([
    ["bzImage64", "rip", 0n, "the image's entry"],
    ["bzImage64", "rip", 0xffffffffn, "the image's entry"],
    ["bzImage64", "rsi", 0x1000n, "the boot params"],
    ["bzImage", "rip", 0x10n, "the image's entry"],
    ["bzImage", "rsi", 1n << 40n, "the boot params"],
    ["elf64", "rip", 0x2000123n, "the image's entry"],
    ["elf64", "rdi", 0n, "the boot notes"],
    ["elf32", "rip", 0x1ffffffn, "the image's entry"],
    ["elf32", "rsp", 0x5000n, "the image's stack"],
    ["multiboot", "rip", 0n, "the image's entry"],
    ["multiboot", "rbx", 0n, "the multiboot information"],
    ["multiboot2", "rip", 0n, "the image's entry"],
    ["multiboot2", "rbx", 0xffffff00n, "the multiboot information"],
    ["real", "cs", 0n, "the image's entry"],
    ["real", "ss", 0n, "the image's stack"],
    ["real", "ds", 0n, "the real-mode code"],
    ["nbi16", "cs", 0x7000n, "the image's entry"],
    ["nbi16", "ss", 0x4000n, "the image's stack"],
    ["nbi32", "rip", 0x9000n, "the image's entry"],
    ["nbi32", "rsp", 0x90000n, "the image's stack"],
  ])("%s: %s", (name, register, value, what) => {
    const at = parameterOffset + REGISTER[register];
    const said = saidOf(PLANS[name](), "purgatory", (view) => {
      if (register.length === 2) view.setUint16(at, Number(value), true);
      else view.setBigUint64(at, value, true);
    });
    expect(said).toStartWith(`plan.pointer: ${what} at 0x`);
  });
});

type Change = (view: DataView) => void;

describe("structures", () => {
  const u32 =
    (at: number, value: number): Change =>
    (view) =>
      view.setUint32(at, value, true);
  const u64 =
    (at: number, value: bigint): Change =>
    (view) =>
      view.setBigUint64(at, value, true);

  test.each<[PlanName, SegmentRole, string, Change]>([
    ["bzImage64", "boot-params", "the command line", u32(0x228, 0)],
    ["bzImage64", "boot-params", "the command line", u32(0xc8, 7)],
    ["bzImage64", "boot-params", "the initrd", u32(0x218, 0x1000)],
    ["bzImage64", "boot-params", "the initrd", u32(0x21c, 0)],
    ["bzImage64", "boot-params", "the initrd", u32(0x21c, 5001)],
    ["bzImage64", "boot-params", "the initrd", u32(0xc4, 1)],
    ["bzImage64", "boot-params", "a node of setup_data", u64(0x250, 0x7000n)],
    ["bzImage64", "boot-params", "the EFI memory map", u32(0x1c0 + 16, 0)],
    ["bzImage64", "boot-params", "the EFI memory map", u32(0x1c0 + 20, 0x100000)],
    ["bzImage", "boot-params", "the command line", u32(0x228, 0xffffffff)],
    ["real", "real-mode", "the command line", u32(0x228, 0x1000)],
    ["real", "real-mode", "code32_start", u32(0x214, 0)],
    ["real", "real-mode", "the initrd", u32(0x218, 0)],
    ["real", "real-mode", "a node of setup_data", u64(0x250, 1n)],
    ["old", "real-mode", "the command line", (view) => view.setUint16(0x22, 0xfff0, true)],
    ["multiboot", "multiboot-info", "the command line", u32(16, 0)],
    ["multiboot", "multiboot-info", "the list of modules", u32(24, 0)],
    ["multiboot", "multiboot-info", "the list of modules", u32(20, 2 ** 20)],
    ["multiboot", "multiboot-info", "the memory map", u32(48, 0)],
    ["multiboot", "multiboot-info", "the memory map", u32(44, 2 ** 20)],
    ["multiboot", "multiboot-info", "the boot loader's name", u32(64, 0)],
    ["multiboot", "multiboot-info", "a module", u32(120, 0)],
    ["multiboot", "multiboot-info", "a module", u32(124, 0xffffffff)],
    ["multiboot", "multiboot-info", "a module's words", u32(128, 0)],
    ["multiboot2", "multiboot-info", "the multiboot information", u32(0, 2 ** 20)],
    ["multiboot2", "multiboot-info", "a tag", u32(12, 0)],
    ["elf32", "boot-notes", "the boot notes", u32(4096 - 4, 0)],
    ["elf64", "boot-notes", "the boot notes", u32(4, 2 ** 20)],
    ["nbi16", "real-mode", "an argument", u32(0x1ff0, 0)],
    ["nbi16", "real-mode", "the image's head", u32(0x1ff4, 0)],
    ["nbi16", "real-mode", "an argument", u32(0x1ff8, 0)],
    ["nbi32", "real-mode", "an argument", u32(0x1ff4, 0)],
    ["nbi32", "real-mode", "the image's head", u32(0x1ff8, 0x10008)],
  ])("%s: %s of %s", (name, role, what, change) => {
    expect(saidOf(PLANS[name](), role, change)).toStartWith(`plan.pointer: ${what} at 0x`);
  });

  test("a setup_data chain that leads to its own start, or past its data", () => {
    const one = PLANS.bzImage64();
    const { bytes, start } = segment(one.plan, "boot-params");
    const head = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0x250, true);
    const at = Number(head - start);
    expect(saidOf(one, "boot-params", u64(at, head))).toStartWith(
      "plan.pointer: the end of the setup_data chain",
    );
    expect(saidOf(one, "boot-params", u32(at + 12, 0x10000))).toStartWith(
      "plan.pointer: a node of setup_data",
    );
  });

  test("modules and the load base of version 2", () => {
    const one = PLANS.multiboot2();
    const { bytes } = segment(one.plan, "multiboot-info");
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const places = { 3: "a module", 21: "the load base" } as const;
    const seen: string[] = [];
    for (let at = 8; at < view.getUint32(0, true); at += (view.getUint32(at + 4, true) + 7) & ~7) {
      const what = places[view.getUint32(at, true) as 3 | 21];
      if (what === undefined) continue;
      seen.push(what);
      expect(saidOf(one, "multiboot-info", u32(at + 8, 0x10))).toStartWith(
        `plan.pointer: ${what} at 0x10,`,
      );
    }
    expect(seen.toSorted()).toEqual(["a module", "a module", "the load base"]);
  });

  test("the code that copies ACPI's root pointer: where to, and where it goes on", () => {
    const one = PLANS.multiboot2();
    const { bytes, start } = segment(one.plan, "multiboot-info");
    const block = new DataView(segment(one.plan, "purgatory").bytes.buffer);
    const code = Number(block.getBigUint64(parameterOffset + REGISTER.rip, true) - start);
    const copy = readRootPointerCopy(bytes.subarray(code));
    expect(copy?.targets.length).toBe(3);
    expect(copy?.entry).toBe(Number(segment(one.plan, "kernel").start));
    const said = (at: number, value: number) =>
      saidOf(one, "multiboot-info", u32(code + at, value));
    // mov edi, to; mov ecx, words
    expect(said(1 + 6, 0x100000)).toStartWith("plan.pointer: a place for ACPI's root pointer");
    expect(said(1 + 17 + 11, 0x1000)).toStartWith("plan.pointer: a place for ACPI's root pointer");
    expect(said(bytes.length - code - 6, 0)).toStartWith("plan.pointer: the image's entry at 0x0,");
    const stores: Change = (view) => {
      u32(code + 3 * 17 + 1 + 9 + 2, 0)(view);
      u32(code + 3 * 17 + 1 + 9 + 12, 4)(view);
    };
    expect(saidOf(one, "multiboot-info", stores)).toStartWith(
      "plan.pointer: an end of the information at 0x0,",
    );
    // Other code is none that it knows.
    expect(said(0, 0)).toStartWith("plan.pointer: the code before the image");
  });

  test("a command line without its NUL", () => {
    const one = PLANS.bzImage64();
    const last: Change = (view) => {
      for (let at = 4096; at < view.byteLength; at += 1) view.setUint8(at, 0x61);
      view.setBigUint64(0x250, 0n, true);
      view.setUint32(0x1c0 + 20, 0, true);
    };
    expect(saidOf(one, "boot-params", last)).toStartWith("plan.pointer: the command line");
  });
});

describe("a crash kernel", () => {
  test("elfcorehdr= and the copy of low memory", () => {
    const one = PLANS.crash();
    const said = (commandLine: string) => saidOf({ ...one, plan: { ...one.plan, commandLine } });
    expect(said("quiet elfcorehdr=1K")).toStartWith("plan.pointer: elfcorehdr= at 0x400,");
    expect(said("quiet")).toStartWith("plan.pointer: elfcorehdr= at 0x0,");
    for (const at of [0x28, 0x30]) {
      expect(
        saidOf(one, "purgatory", (view) =>
          view.setBigUint64(parameterOffset + at, 0x7fff_f000n, true),
        ),
      ).toStartWith("plan.pointer: the copy of low memory at 0x");
    }
  });

  test("memory that the purgatory checks, and where it appends", () => {
    const one = PLANS.crash();
    const set =
      (at: number, value: bigint): Change =>
      (view) =>
        view.setBigUint64(parameterOffset + at, value, true);
    expect(saidOf(one, "purgatory", set(0x100, 0n))).toStartWith(
      "plan.pointer: memory that the purgatory checks at 0x0,",
    );
    expect(saidOf(one, "purgatory", set(REGISTER.jumpBackText, 0x1000n))).toStartWith(
      "plan.pointer: the end of the command line at 0x1000,",
    );
  });
});

test("code that was not made by us is none", () => {
  for (const bytes of [new Uint8Array(0), Uint8Array.of(0xfc), pattern(100)]) {
    expect(readRootPointerCopy(bytes)).toBeNull();
  }
});
