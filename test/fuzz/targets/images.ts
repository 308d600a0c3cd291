/**
 * Kernel files: what is extracted from one, which type takes it, and the whole plan for it on each
 * recorded machine. Every plan that comes out passes `checkPlan`, which `buildSegmentPlan` calls
 * with the memory that it planned for.
 */

import { containerOf } from "../../../src/arch/index.ts";
import { ADDRESS_END } from "../../../src/core/address.ts";
import { peSections, wholeSection, whyNoPeSection } from "../../../src/image/pe-sections.ts";
import { readContainer } from "../../../src/image/read-image.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import type { ModuleFile } from "../../../src/model/image-type.ts";
import type { LoaderRequest, LoadRequest } from "../../../src/model/request.ts";
import { buildFilePlan, buildSegmentPlan } from "../../../src/plan/build-plan.ts";
import { makeBzImage } from "../../images/make-bzimage.ts";
import { makeDtb } from "../../images/make-dtb.ts";
import { makeElf } from "../../images/make-elf.ts";
import { multiboot2Header, multibootHeader } from "../../images/make-multiboot.ts";
import { makeBeoboot, makeNbi } from "../../images/make-nbi.ts";
import { makeUki } from "../../images/make-uki.ts";
import { machine } from "../../plan/golden.ts";
import { file, pattern } from "../../plan/pieces.ts";
import { loadRequest, NO_FILES, NO_LOADER } from "../../plan/requests.ts";
import { bytesTarget } from "../target.ts";
import { checkOutcome, orNothing } from "./plans.ts";

const MACHINES = ["qemu-6g-bios", "qemu-uefi-crash", "qemu-2g-xen-crash", "qemu-6g-crash-high"];

let recorded: readonly HostFacts[] | null = null;
/** The machines are read when the first plan is made. */
const machines = (): readonly HostFacts[] => {
  recorded ??= MACHINES.map(machine);
  return recorded;
};

/** A Linux kernel as ELF: its banner, and code at 16 MiB. */
const linux = (bits: 32 | 64): Uint8Array => {
  const bytes = pattern(0x3000);
  bytes.set(Buffer.from("Linux version 6.1.0 (builder@host) #1 SMP\n\0"), 0x400);
  return makeElf({
    bits,
    parts: [
      { physical: 0x1000000n, virtual: bits === 64 ? 0xffffffff81000000n : 0xc1000000n, bytes },
      { physical: 0x1003000n, bytes: pattern(0x100), memorySize: 0x2000n },
    ],
    entry: 0x1000000n,
  });
};

function multiboot(header: Uint8Array): Uint8Array {
  const bytes = pattern(0x800);
  bytes.set(header, 0x14);
  return makeElf({
    bits: 32,
    parts: [{ physical: 0x200000n, bytes: bytes.subarray(0x10), memorySize: 0x3000n }],
  });
}

const NBI = makeNbi({
  entry: 0x0010_0000,
  flags: 0x8000_0000,
  records: [
    { address: 0x9_0000, bytes: pattern(0x400) },
    { address: 0x10_0000, bytes: pattern(0x1200), memory: 0x3000 },
    { from: 1, address: 0x1000, bytes: pattern(0x200) },
  ],
});

const RELOCATABLE = [10, 1, 0x200000, 0xffffffff, 0x200000, 2] as const;
const seeds = (): Uint8Array[] => [
  makeBzImage(),
  makeBzImage({ relocatable: 0 }),
  makeBzImage({ setupSects: 0, version: 0x0204 }),
  makeBzImage({ loadflags: 0, xloadflags: 0 }),
  linux(64),
  linux(32),
  makeElf({ bits: 64, parts: [{ physical: 0x40_0000n, bytes: pattern(0x900) }] }),
  makeElf({ bits: 32, parts: [{ physical: 0x10_0000n, bytes: pattern(0x900) }] }),
  multiboot(multibootHeader(3)),
  multiboot(multibootHeader(0x0001_0003, [0x200014, 0x200000, 0, 0x203000, 0x200100])),
  multiboot(multiboot2Header([RELOCATABLE, [3, 1, 0x200100], [5, 1, 1024, 768, 32]])),
  NBI,
  makeBeoboot({ commandLine: "root=/dev/sda1\0", kernel: makeBzImage(), initrd: pattern(500) }),
  makeUki({
    ".linux": makeBzImage(),
    ".initrd": pattern(0x900),
    ".cmdline": "quiet splash",
    ".osrel": "ID=test",
    ".uname": "6.1",
  }),
];

/** Which way a case goes, decided by its bytes, so that a case is its input alone. */
function choice(bytes: Uint8Array, salt: number, count: number): number {
  let sum = Math.imul(bytes.length + salt, 0x9e37_79b9);
  for (let i = 0; i < bytes.length; i += 7) sum = Math.imul(sum ^ (bytes[i] ?? 0), 0x0100_0193);
  return ((sum ^ (sum >>> 15)) >>> 0) % count;
}

const LOADERS: readonly Partial<LoaderRequest>[] = [
  {},
  { commandLine: null },
  { entry32Bit: true, given: ["entry-32bit"] },
  { realMode: true, given: ["real-mode"] },
  { commandLine: "x".repeat(2040) },
];
const PURPOSES = ["normal", "normal", "normal", "crash", "preserve-context"] as const;

function requestFor(bytes: Uint8Array): LoadRequest {
  const purpose = PURPOSES[choice(bytes, 1, PURPOSES.length)] ?? "normal";
  const loader = {
    ...NO_LOADER,
    commandLine: "quiet",
    ...LOADERS[choice(bytes, 2, LOADERS.length)],
  };
  const memMax = purpose === "preserve-context" ? 0x3fff_ffffn : ADDRESS_END - 1n;
  return loadRequest({ purpose, loader, memMax });
}

function planSegments(bytes: Uint8Array, request: LoadRequest, facts: HostFacts): void {
  const initrd = choice(bytes, 3, 2) === 0 ? file("/boot/initrd", pattern(0x1234)) : null;
  const modules: ModuleFile[] =
    choice(bytes, 4, 4) === 0 ? [{ ...file("/m", pattern(0x801)), commandLine: "/m a b" }] : [];
  const plan = buildSegmentPlan(request, facts, {
    ...NO_FILES,
    kernel: file("/boot/vmlinuz", bytes),
    initrd,
    modules,
  });
  checkOutcome(plan, facts);
}

function plan(bytes: Uint8Array): void {
  const container = containerOf(bytes);
  const outer = file("/boot/vmlinuz", bytes);
  const kernel = container === undefined ? bytes : readContainer(container, outer, bytes).kernel;
  const facts = machines()[choice(bytes, 5, MACHINES.length)];
  if (facts === undefined) throw new RangeError("no such machine");
  planSegments(kernel, requestFor(bytes), facts);
}

function filePlan(bytes: Uint8Array): void {
  const facts = machines()[choice(bytes, 5, MACHINES.length)];
  if (facts === undefined) throw new RangeError("no such machine");
  const size = BigInt(bytes.length);
  const kernel = { path: "/boot/vmlinuz", fd: 3, size };
  const result = buildFilePlan(requestFor(bytes), facts, file("/boot/vmlinuz", bytes), () => ({
    kernel,
    initrd: null,
  }));
  if (!("notByFile" in result)) checkOutcome(result, facts);
}

const UKIS = (): Uint8Array[] => [
  makeUki([
    [".linux", makeBzImage()],
    [".ucode", pattern(0x103)],
    [".initrd", pattern(0x205)],
    [".dtb", makeDtb("a machine")],
    [".cmdline", "quiet splash\n\0"],
  ]),
  makeUki([
    [".osrel", "ID=test"],
    [".linux", makeBzImage()],
    [".profile", "ID=one"],
    [".cmdline", "first"],
    [".profile", "ID=two"],
    [".cmdline", "second"],
    [".dtbauto", makeDtb("another")],
  ]),
];

/** Each part of a container lies inside it, and every question about a cut file has an answer. */
function readUki(bytes: Uint8Array): void {
  for (const name of [".linux", ".cmdline", ""]) whyNoPeSection(bytes, name);
  for (const section of orNothing(() => peSections(bytes)) ?? []) {
    if (section.offset + section.bytes.length > bytes.length) {
      throw new Error(`${section.name} ends at ${section.offset + section.bytes.length}`);
    }
    orNothing(() => wholeSection(section));
  }
  const container = containerOf(bytes);
  if (container === undefined) return;
  const { commandLine } = readContainer(container, file("/boot/uki.efi", bytes), bytes);
  if (commandLine?.includes("\0")) throw new Error("a command line with a NUL");
}

/** A device tree goes into setup_data whole, or is refused. */
function planWithTree(bytes: Uint8Array): void {
  const facts = machines()[0];
  if (facts === undefined) throw new RangeError("no such machine");
  const kernel = file("/boot/vmlinuz", makeBzImage());
  const dtb = file("/boot/machine.dtb", bytes);
  checkOutcome(buildSegmentPlan(loadRequest(), facts, { ...NO_FILES, kernel, dtb }), facts);
}

export const IMAGES = [
  bytesTarget("image/plan", seeds, plan),
  bytesTarget("image/file-plan", seeds, filePlan),
  bytesTarget("image/uki", UKIS, readUki),
  bytesTarget("image/device-tree", () => [makeDtb("a machine with a name")], planWithTree),
];
