import { describe, expect, test } from "bun:test";
import { BootParams } from "../../src/arch/x86-64/handoff/boot-params.ts";
import { KASLR_FLAG, SetupHeader } from "../../src/arch/x86-64/handoff/setup-header.ts";
import { ADDRESS_END } from "../../src/core/address.ts";
import { joined } from "../../src/core/bytes.ts";
import type { HostExpand } from "../../src/core/expand.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";
import type { PlanInputs } from "../../src/model/image-type.ts";
import type { SegmentPlan } from "../../src/model/load-plan.ts";
import type { LoadRequest } from "../../src/model/request.ts";
import { NO_X86_FACTS } from "../../src/model/x86-64.ts";
import { buildSegmentPlan } from "../../src/plan/build-plan.ts";
import { planUnpacked } from "../../src/story/unpack.ts";
import { expandXz } from "../../src/wrapper/xz.ts";
import { makeElf } from "../images/make-elf.ts";
import { filled, makeExpanded, makeLinux, sizeBytes, withPayload } from "../images/make-payload.ts";
import { orRefusal } from "../kexec-error.ts";
import { expectGoldenPlan, machine } from "../plan/golden.ts";
import { file, pattern, segment } from "../plan/pieces.ts";
import { loadRequest, NO_FILES, NO_LOADER } from "../plan/requests.ts";
import { cpio } from "../vm/cpio.ts";
import { lz4Legacy, packedBy } from "../wrapper/make-wrapped.ts";

const CPU = { fiveLevelPaging: false, virtualBits: 48, encryptedMemory: false };
const onThisCpu = (facts: HostFacts): HostFacts => ({
  ...facts,
  x86_64: { ...(facts.x86_64 ?? NO_X86_FACTS), ...CPU },
});
const FACTS = onThisCpu(machine("qemu-1g-bios"));

const CRASH = onThisCpu(machine("qemu-6g-crash-high"));
const XEN = onThisCpu(machine("qemu-2g-xen"));

/** Every draw another number: the virtual address first, then the physical one. */
const RANDOM = [0x1234n, 0x5678n] as const;

interface Case {
  readonly request?: Partial<LoadRequest>;
  readonly facts?: HostFacts;
  readonly inputs?: Partial<PlanInputs>;
  readonly kernel?: Uint8Array;
  readonly random?: readonly bigint[];
  readonly available?: bigint | null;
  /** Absent: there is none. */
  readonly expandLzma?: HostExpand;
}

function planOf(one: Case = {}): Promise<SegmentPlan> {
  const draws = [...(one.random ?? RANDOM)];
  const kernel = file("/boot/vmlinuz", one.kernel ?? makeLinux());
  const inputs = { ...NO_FILES, initrd: file("/boot/initrd", pattern(5000)), kernel };
  return planUnpacked(
    loadRequest(one.request),
    one.facts ?? FACTS,
    { ...inputs, ...one.inputs },
    {
      random: () => Promise.resolve(draws.shift() ?? null),
      availableMemory: () => one.available ?? null,
      expandLzma: one.expandLzma ?? (() => null),
    },
  );
}

const commandLine = (text: string): Partial<LoadRequest> => ({
  loader: { ...NO_LOADER, commandLine: text },
});

const kernels = ({ segments }: SegmentPlan) => segments.filter(({ role }) => role === "kernel");
const loadflags = (plan: SegmentPlan): number =>
  SetupHeader.read(segment(plan, "boot-params").bytes).loadflags;

describe("a kernel that is unpacked", () => {
  test("a golden plan", async () => {
    expectGoldenPlan("unpacked", await planOf(), FACTS);
  });

  test("keeps its setup header, and finds KASLR_FLAG in it", async () => {
    const plan = await planOf();
    const { bytes } = segment(plan, "boot-params");
    expect(SetupHeader.read(bytes)).toMatchObject({ version: 0x020f, init_size: 0x100000 });
    expect(BootParams.read(bytes).sentinel).toBe(0);
    expect(loadflags(plan)).toBe(KASLR_FLAG);
    expect(plan.imageType).toBe("bzImage64");
  });

  test("its parts lie as far from each other as they were linked", async () => {
    const [text, perCpu, data] = kernels(await planOf());
    const start = text?.start ?? 0n;
    expect(start % 0x200000n).toBe(0n);
    expect(perCpu?.start).toBe(start + 0x3000n);
    expect(data).toMatchObject({ start: start + 0x4000n, size: 0x2000n });
    expect(data?.bytes.length).toBe(0x800);
  });

  test("another random number, another place; the virtual one is in no text", async () => {
    const [one, other, moved] = await Promise.all([
      planOf(),
      planOf({ random: [0x1234n, 0x5679n] }),
      planOf({ random: [0x1235n, 0x5678n] }),
    ]);
    expect(kernels(other)[0]?.start).not.toBe(kernels(one)[0]?.start ?? 0n);
    expect(kernels(other)[0]?.bytes).toEqual(kernels(one)[0]?.bytes ?? new Uint8Array(0));
    expect(kernels(moved)[0]?.start).toBe(kernels(one)[0]?.start ?? 0n);
    expect(kernels(moved)[0]?.bytes).not.toEqual(kernels(one)[0]?.bytes ?? new Uint8Array(0));
    expect(moved.notes).toEqual([...one.notes]);
  });

  test("nokaslr: as it was linked, at the highest place, without KASLR_FLAG", async () => {
    const plan = await planOf({ request: commandLine("nokaslr"), random: [] });
    expect(loadflags(plan)).toBe(0);
    expect(kernels(plan)[0]?.bytes).toEqual(filled(0x2100));
    expect(kernels(plan)[0]?.reason).toContain("the highest free multiple of 0x200000");
    expect(plan.notes[0]).toEndWith("nokaslr: not randomized");
  });

  test("for the machine of a facts file the places are the same each time", async () => {
    const request = { facts: "machine.json" };
    const [one, other] = [await planOf({ request, random: [] }), await planOf({ request })];
    expect(one).toEqual(other);
    expect(kernels(one)[0]?.start).toBe(0x20000000n);
  });

  test("below 512 MiB only where there is no room above", async () => {
    const request = { memMax: 0x1fffffffn };
    const plan = await planOf({ request, random: [0n, 0n] });
    expect(kernels(plan)[0]?.start).toBe(0x1000000n);
    expect(kernels(plan)[0]?.reason).toEndWith("not below 0x1000000");
  });

  test("whatever is in its way, the initrd has its place", async () => {
    for (const physical of [0n, 1n, 7n, 1n << 63n]) {
      const plan = await planOf({ random: [0n, physical] });
      expect(segment(plan, "initrd").bytes.length).toBe(5000);
    }
  });
});

describe("a kernel that unpacks itself, and why", () => {
  const expanded = makeExpanded();
  const lz4 = (bytes: Uint8Array, size: number) =>
    withPayload(new Uint8Array(Buffer.concat([lz4Legacy(bytes), sizeBytes(size)])));
  const damaged = makeLinux();
  damaged.fill(0x55, 0x900, 0x940);

  test.each<[string, Case, string]>([
    ["--no-unpack", { request: { unpack: false } }, "--no-unpack"],
    ["--entry", { request: { entry: 0x3ffdb000n } }, "--entry names an address of the image"],
    ["a host that maps only segments", { facts: XEN }, "maps only what is in a segment"],
    ["a parameter", { request: commandLine("mem=512M") }, "only then mem=512M has all"],
    ["no random numbers", { random: [1n] }, "the running kernel has no random numbers yet"],
    ["a damaged payload", { kernel: damaged }, "gzip: "],
    [
      "a size that is wrong",
      { kernel: lz4(expanded, expanded.length - 1) },
      "lz4: expands to more than",
    ],
    ["no payload", { kernel: withPayload(new Uint8Array(0)) }, "names 0 bytes at 0x400"],
    ["a payload behind the end", { kernel: beyond() }, "names 16777216 bytes at 0x400"],
    ["a size above init_size", { kernel: lz4(expanded, 0x100001) }, "0x100001 bytes, init_size"],
    ["another program", { kernel: lz4(pattern(9000), 9000) }, 'no 0x7f "ELF" at its start'],
    [
      "no lists",
      { kernel: makeLinux({ behind: new Uint8Array(0) }) },
      "the relocation lists are missing: the kernel runs at one address only",
    ],
    [
      "too little memory",
      { available: 33n << 20n },
      "that needs 33.0 MiB of memory, 33 MiB are available",
    ],
  ])("%s", async (_, one, why) => {
    const plan = await planOf(one);
    const [note = ""] = plan.notes;
    expect(note).toStartWith("the kernel unpacks itself after the reboot: ");
    expect(note).toContain(why);
    expect(kernels(plan)).toHaveLength(1);
    expect(loadflags(plan)).toBe(0);
    const { request, facts = FACTS, kernel = makeLinux() } = one;
    const asItIs = buildSegmentPlan(loadRequest(request), facts, {
      ...NO_FILES,
      initrd: file("/boot/initrd", pattern(5000)),
      kernel: file("/boot/vmlinuz", kernel),
    });
    expect({ ...plan, notes: plan.notes.slice(1) }).toEqual({
      ...asItIs,
      notes: [...asItIs.notes],
    });
  });

  test.each<[string, Partial<LoadRequest>]>([
    ["in real mode", { loader: { ...NO_LOADER, realMode: true } }],
    ["in 32-bit mode", { loader: { ...NO_LOADER, entry32Bit: true } }],
  ])("it is entered %s", async (mode, request) => {
    const { notes } = await planOf({ request });
    expect(notes[0]).toBe(`the kernel unpacks itself after the reboot: it is entered ${mode}`);
  });

  test.each<[LoadRequest["purpose"], string, Partial<LoadRequest>]>([
    ["crash", "a crash kernel takes as little memory as it can", {}],
    ["preserve-context", "only a kernel that replaces the running one", { memMax: 0x1fffffffn }],
  ])("%s", async (purpose, why, more) => {
    const { notes } = await planOf({ request: { purpose, ...more }, facts: CRASH });
    expect(notes[0]).toContain(why);
  });

  test("unpacked it does not fit beside the initrd, and then it is loaded as it is", async () => {
    const kernel = makeLinux({}, { initSize: 0x10000 });
    const request = { memMin: 0x1000000n, memMax: 0x13fffffn };
    const inputs = { initrd: file("/boot/initrd", pattern(0x1fc000)) };
    const plan = await planOf({ kernel, request, inputs });
    expect(plan.notes[0]).toStartWith(
      "the kernel unpacks itself after the reboot: unpacked, it does not fit: Could not find",
    );
    expect(kernels(plan)).toHaveLength(1);
  });

  test("a load that cannot be planned either way fails as it would without", async () => {
    const request = { memMin: 0x1000000n, memMax: 0x10fffffn };
    const failed = await planOf({ request }).then(
      () => null,
      (error: unknown) => error,
    );
    const asItIs = orRefusal(() =>
      buildSegmentPlan(loadRequest(request), FACTS, {
        ...NO_FILES,
        kernel: file("/boot/vmlinuz", makeLinux()),
      }),
    );
    expect(failed).toMatchObject({ code: "plan.no-room" });
    expect(asItIs).toMatchObject({ code: "plan.no-room" });
  });
});

describe("an initrd", () => {
  const archive = joined(cpio([{ path: "/init", data: pattern(9000) }]));
  const packed = packedBy(["xz", "-c"], archive);
  const large = joined(cpio([{ path: "/init", data: new Uint8Array(0x200000) }]));
  const zeros = packedBy(["xz", "-c"], large);
  const initrd = file("/boot/initrd", packed);
  const xz: Case = { inputs: { initrd }, expandLzma: expandXz };
  const ITS_INITRD = "the kernel unpacks the initrd after the reboot: ";

  test("of xz is unpacked beside the kernel", async () => {
    const plan = await planOf(xz);
    expect(segment(plan, "initrd").bytes).toEqual(archive);
    expect(plan.notes[0]).toStartWith("the kernel is unpacked before the reboot: ");
    expect(plan.notes[1]).toBe(
      `the initrd is unpacked before the reboot: xz, ${packed.length} -> ${archive.length} bytes`,
    );
    expect(SetupHeader.read(segment(plan, "boot-params").bytes).ramdisk_size).toBe(archive.length);
  });

  test.each<[string, Case, string]>([
    ["--no-unpack", { request: { unpack: false } }, "--no-unpack"],
    ["a crash kernel", { request: { purpose: "crash" }, facts: CRASH }, "a crash kernel takes"],
    ["a host with guests", { facts: XEN }, "the host has guests, which need the memory"],
    ["no liblzma", { expandLzma: () => null }, "the system has no liblzma.so.5"],
    ["no memory to load it", { available: 33n << 20n }, "there is too little memory"],
    [
      "no memory to boot with it",
      { facts: { ...FACTS, memTotal: 4n << 20n }, inputs: { initrd: file("/boot/zeros", zeros) } },
      "expands to more than 1048576 bytes, the limit",
    ],
    [
      "other data behind it",
      { inputs: { initrd: file("/boot/initrd", joined([packed, pattern(9)])) } },
      `other data follow it at offset 0x${packed.length.toString(16)}`,
    ],
  ])("is loaded as it is: %s", async (_, one, why) => {
    const plan = await planOf({ ...xz, ...one });
    const note = plan.notes.find((line) => line.startsWith(ITS_INITRD)) ?? "";
    expect(note).toContain(why);
    const file = one.inputs?.initrd ?? initrd;
    expect(segment(plan, "initrd").bytes).toEqual(file?.bytes ?? new Uint8Array(0));
  });

  test("unpacked it does not fit: then the kernel alone is unpacked", async () => {
    const request = { memMin: 0x1000000n, memMax: 0x13fffffn };
    const inputs = { initrd: file("/boot/initrd", zeros) };
    const kernel = makeLinux({}, { initSize: 0x10000 });
    const plan = await planOf({ ...xz, kernel, request, inputs });
    expect(plan.notes[0]).toStartWith("the kernel is unpacked before the reboot: ");
    expect(plan.notes[1]).toStartWith(`${ITS_INITRD}unpacked, it does not fit: `);
    expect(segment(plan, "initrd").bytes).toEqual(inputs.initrd.bytes);
  });

  test("of no xz has no note", async () => {
    const plan = await planOf({ ...xz, inputs: { initrd: file("/boot/initrd", archive) } });
    expect(plan.notes.join()).not.toContain("the initrd");
  });
});

test("images without a payload have no note of it", async () => {
  const kernel = makeElf({ bits: 64, parts: [{ physical: 0x400000n, bytes: pattern(900) }] });
  const plan = await planOf({ kernel, inputs: { initrd: null } });
  expect(plan.notes.join()).not.toContain("unpack");
  expect(kernels(plan).every(({ start }) => start < ADDRESS_END)).toBe(true);
});

/** A kernel whose header names more bytes than it has. */
function beyond(): Uint8Array {
  const image = makeLinux();
  new DataView(image.buffer).setUint32(0x24c, 0x1000000, true);
  return image;
}
