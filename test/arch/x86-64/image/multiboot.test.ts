import { describe, expect, test } from "bun:test";
import { MultibootFramebuffer } from "../../../../src/arch/x86-64/handoff/multiboot-content.ts";
import {
  MultibootInfo,
  MultibootInfoFlag,
  MultibootModuleEntry,
} from "../../../../src/arch/x86-64/handoff/multiboot-info.ts";
import { Multiboot2TagType } from "../../../../src/arch/x86-64/handoff/multiboot2-info.ts";
import { textUntilNul } from "../../../../src/core/bytes.ts";
import { KexecError } from "../../../../src/core/error.ts";
import type { HostFacts } from "../../../../src/model/host-facts.ts";
import type { SegmentPlan } from "../../../../src/model/load-plan.ts";
import type { ConsoleRequest, LoadRequest } from "../../../../src/model/request.ts";
import type { X86Facts } from "../../../../src/model/x86-64.ts";
import { buildFilePlan, buildSegmentPlan } from "../../../../src/plan/build-plan.ts";
import { multiboot2Header, multibootElf, multibootHeader } from "../../../images/make-multiboot.ts";
import { orRefusal, refusal } from "../../../kexec-error.ts";
import { expectGoldenPlan, machine } from "../../../plan/golden.ts";
import { entryOf, file, pattern, segment } from "../../../plan/pieces.ts";
import { loadRequest, NO_FILES, NO_LOADER } from "../../../plan/requests.ts";
import { type Memory, runCopy } from "../handoff/run-copy.ts";
import { atBoot, card, display, framebuffer, withScreen } from "../handoff/screens.ts";

const FACTS = machine("qemu-6g-bios");

const MB1 = multibootElf(multibootHeader(3));
const RELOCATABLE = [10, 1, 0x200000, 0xffffffff, 0x200000, 2] as const;
const MB2 = multibootElf(multiboot2Header([RELOCATABLE]));

const MODULES = [
  { ...file("/boot/vmlinuz", pattern(0x5001)), commandLine: "/boot/vmlinuz root=/dev/sda1 ro" },
  { ...file("/boot/initrd", pattern(0x300)), commandLine: "/boot/initrd" },
];

/** Memory as it is when the image is entered, and where that is. */
function entered(plan: SegmentPlan, before: Memory = new Map()): { memory: Memory; entry: bigint } {
  const memory = new Map(before);
  for (const { role, bytes, start } of plan.segments) {
    if (role !== "multiboot-info" && role !== "bios-page") continue;
    bytes.forEach((byte, i) => {
      memory.set(Number(start) + i, byte);
    });
  }
  return { memory, entry: BigInt(runCopy(memory, Number(entryOf(plan).rip))) };
}

const imageEntryOf = (plan: SegmentPlan): bigint => entered(plan).entry;

function planOf(
  image: Uint8Array,
  request: Partial<LoadRequest> = {},
  facts: HostFacts = FACTS,
): SegmentPlan {
  const loader = { ...NO_LOADER, commandLine: "console=com1" };
  return buildSegmentPlan(loadRequest({ loader, ...request }), facts, {
    ...NO_FILES,
    kernel: file("/boot/xen", image),
    modules: MODULES,
  });
}

describe("multiboot", () => {
  test("the plan", () => {
    expectGoldenPlan("multiboot", planOf(MB1), FACTS);
  });

  test("the image is entered in 32-bit mode with the magic and the information", () => {
    const plan = planOf(MB1);
    expect(plan.imageType).toBe("multiboot-x86");
    const { rip, rax, rbx, entry_mode } = entryOf(plan);
    const info = segment(plan, "multiboot-info").start;
    expect({ rip, rax, rbx, entry_mode }).toEqual({
      rip: 0x200000n,
      rax: 0x2badb002n,
      rbx: info,
      entry_mode: 1,
    });
    expect(plan.segments.every(({ start, size }) => start + size <= 1n << 32n)).toBe(true);
  });

  test("the information names command line, memory and modules", () => {
    const plan = planOf(MB1);
    const { start, bytes } = segment(plan, "multiboot-info");
    const info = MultibootInfo.read(bytes);
    const text = (address: number) => textUntilNul(bytes.subarray(address - Number(start)));
    expect(info.flags).toBe(0x24d);
    expect(text(info.cmdline)).toBe("/boot/xen console=com1");
    expect(text(info.boot_loader_name)).toStartWith("onekexec ");
    expect(info.mem_lower).toBe(639);
    expect(info.mmap_length).toBe(24 * (FACTS.memoryMap?.ranges.length ?? 0));
    const modules = [0, 1].map((i) =>
      MultibootModuleEntry.read(bytes, info.mods_addr - Number(start) + 16 * i),
    );
    expect(modules.map(({ string }) => text(string))).toEqual(
      MODULES.map(({ commandLine }) => commandLine),
    );
    expect(modules.map(({ mod_start, mod_end }) => mod_end - mod_start)).toEqual([0x5001, 0x300]);
    const first = plan.segments.find(({ bytes: b }) => b === MODULES[0]?.bytes);
    expect(first?.start).toBe(BigInt(modules[0]?.mod_start ?? 0));
  });

  test("an image that is no ELF file says itself where it goes", () => {
    const bytes = pattern(0x2000);
    bytes.set(multibootHeader(1 << 16, [0x400100, 0x400000, 0x401000, 0x405000, 0x400040]), 0x180);
    const plan = planOf(bytes);
    expect(plan.imageType).toBe("multiboot-x86");
    expect(segment(plan, "kernel")).toMatchObject({ start: 0x400000n, size: 0x5000n });
    expect(segment(plan, "kernel").bytes).toEqual(bytes.subarray(0x80, 0x1080));
    expect(entryOf(plan).rip).toBe(0x400040n);
  });

  test("one that demands what is not known is an ELF executable", () => {
    expect(planOf(multibootElf(multibootHeader(0x10))).imageType).toBe("elf-x86");
  });

  test.each([
    ["demands", 0x10010, [0x2000, 0x2000, 0, 0, 0x2000], "bits 0x10 of its flags"],
    ["a load address behind the header", 1 << 16, [0x1000, 0x2000, 0, 0, 0], "load_addr"],
    ["an end before the start", 1 << 16, [0x2000, 0x2000, 0x1000, 0, 0], "load_end_addr"],
    ["more bytes than there are", 1 << 16, [0x2000, 0x2000, 0x9000, 0, 0], "cut short"],
    ["an entry elsewhere", 1 << 16, [0x2000, 0x2000, 0x2100, 0, 0x100], "entry point"],
  ] as const)("%s: refused", (_, flags, addresses, hint) => {
    const bytes = new Uint8Array(0x1000);
    bytes.set(multibootHeader(flags, addresses));
    const got = refusal(() => planOf(bytes));
    expect(got.message).toBe("Cannot determine the file type of /boot/xen");
    expect(got.hint).toContain(hint);
  });
});

describe("multiboot2", () => {
  test("the plan", () => {
    expectGoldenPlan("multiboot2", planOf(MB2), FACTS);
  });

  test("a relocatable image lies as high as it asks, and is told where", () => {
    const plan = planOf(MB2);
    expect(plan.imageType).toBe("multiboot2-x86");
    const { start } = segment(plan, "kernel");
    expect(start % 0x200000n).toBe(0n);
    expect(start).toBeGreaterThan(0xa0000000n);
    expect(entryOf(plan).rax).toBe(0x36d76289n);
    expect(imageEntryOf(plan)).toBe(start);
    expect(tagsOf(plan).get(21)?.getUint32(8, true)).toBe(Number(start));
  });

  test("an image of 64 bits that stays where it is gets no load base", () => {
    const plan = planOf(multibootElf(multiboot2Header([]), 64));
    expect(segment(plan, "kernel").start).toBe(0x200000n);
    expect([...tagsOf(plan).keys()].toSorted((a, b) => a - b)).toEqual([
      ...[0, 1, 2, 3, 4, 6, 14, 15],
    ]);
  });

  test("address and entry tags", () => {
    const bytes = pattern(0x2000);
    const address = [2, 0, 0x400000, 0x400000, 0x401000, 0x405000] as const;
    bytes.set(multiboot2Header([address, [3, 0, 0x400080]]));
    const plan = planOf(bytes);
    expect(segment(plan, "kernel")).toMatchObject({ start: 0x400000n, size: 0x5000n });
    expect(imageEntryOf(plan)).toBe(0x400080n);
  });

  test.each([
    ["an unknown tag that must be obeyed", [[77, 0, 1, 2]], "an unknown tag: type 77"],
    ["a relocatable tag without alignment", [[10, 0, 1, 2, 3, 0]], "relocatable tag is invalid"],
  ] as const)("%s: refused", (_, tags, hint) => {
    const got = refusal(() => planOf(multibootElf(multiboot2Header(tags))));
    expect(got.hint).toContain(hint);
  });

  test("the same tag, if it is optional, is passed over", () => {
    expect(planOf(multibootElf(multiboot2Header([[77, 1, 1, 2]]))).imageType).toBe(
      "multiboot2-x86",
    );
  });

  test("what it asks for and is not given is said", () => {
    const notes = (...types: number[]) =>
      planOf(multibootElf(multiboot2Header([[1, 0, ...types]]))).notes;
    expect(notes(4, 6, 15).join()).not.toContain("requests");
    const note = "The image requests multiboot2 tags that are not provided: 9, 12.";
    expect(notes(4, 9, 6, 12).at(-1)).toBe(note);
  });

  test("kexec_file_load takes none", () => {
    const reference = { path: "/boot/xen", fd: 3, size: 1n };
    const files = { kernel: reference, initrd: null };
    const plan = buildFilePlan(loadRequest(), FACTS, file("/boot/xen", MB2), () => files);
    expect(plan).toEqual({ notByFile: expect.stringContaining("kexec_file_load") });
  });
});

/** Tags of the information by type; of several the last. */
function tagsOf(plan: SegmentPlan): Map<number, DataView> {
  const bytes = segment(plan, "multiboot-info").bytes.slice();
  const view = new DataView(bytes.buffer);
  const total = view.getUint32(0, true);
  expect(bytes.length).toBeGreaterThanOrEqual(total);
  const tags = new Map<number, DataView>();
  for (let at = 8; at < total; ) {
    const size = view.getUint32(at + 4, true);
    tags.set(view.getUint32(at, true), new DataView(bytes.buffer, at, size));
    at += Math.ceil(size / 8) * 8;
  }
  return tags;
}

describe("the first module, which Xen moves up", () => {
  const first = (plan: SegmentPlan) =>
    plan.segments.find(({ bytes }) => bytes === MODULES[0]?.bytes)?.start ?? -1n;

  test("has units of 2 MiB of its own", () => {
    const plan = planOf(MB1);
    const start = first(plan);
    expect(start % 0x200000n).toBe(0n);
    const inUnit = plan.segments.filter((s) => s.start >= start && s.start < start + 0x200000n);
    expect(inUnit).toHaveLength(1);
  });

  test("lies anywhere where there is no room for them", () => {
    const plan = planOf(MB1, { memMax: 0x3fffffn });
    expect(first(plan) % 0x200000n).not.toBe(0n);
    expect(first(plan)).toBeGreaterThan(0n);
  });
});

describe("ACPI's root pointer", () => {
  const EFI = machine("qemu-uefi-crash");
  const address = Number(EFI.acpiRsdp);
  const root = Array.from({ length: 36 }, (_, i) => (i === 15 ? 2 : 0x40 + i));
  const before: Memory = new Map(root.map((byte, i) => [address + i, byte]));
  const bytesAt = (memory: Memory, at: number, length: number) =>
    Array.from({ length }, (_, i) => memory.get(at + i) ?? 0);
  const word = (memory: Memory, at: number) =>
    (memory.get(at) ?? 0) | ((memory.get(at + 1) ?? 0) << 8);

  test("both tags have it when the image is entered", () => {
    const plan = planOf(MB2, {}, EFI);
    const { memory, entry } = entered(plan, before);
    expect(entry).toBe(segment(plan, "kernel").start);
    const { start, bytes } = segment(plan, "multiboot-info");
    const tags = tagsOf(plan);
    const contentAt = (type: number) =>
      Number(start) + (tags.get(type)?.byteOffset ?? 0) - bytes.byteOffset + 8;
    expect(tags.get(14)?.byteLength).toBe(28);
    expect(tags.get(15)?.byteLength).toBe(44);
    expect(bytesAt(memory, contentAt(14), 20)).toEqual(root.slice(0, 20));
    expect(bytesAt(memory, contentAt(15), 36)).toEqual(root);
  });

  test.each([
    ["multiboot", MB1],
    ["multiboot2", MB2],
  ])("%s: after EFI it is where a BIOS would have it, and the BIOS's calls fail", (_, image) => {
    const plan = planOf(image, {}, EFI);
    expect(segment(plan, "bios-page")).toMatchObject({ start: 0n, size: 0x1000n });
    const { memory } = entered(plan, before);
    const area = word(memory, 0x40e) << 4;
    expect(bytesAt(memory, area + 0x10, 36)).toEqual(root);
    expect(word(memory, 0x413)).toBe(640);
    const vectors = Array.from({ length: 256 }, (__, i) => [
      word(memory, i * 4),
      word(memory, i * 4 + 2),
    ]);
    const fails = [0x55, 0x89, 0xe5, 0x80, 0x4e, 6, 1, 0x5d, 0xcf];
    vectors.forEach(([at, code], vector) => {
      const isCall = vector >= 0x10 && vector <= 0x1f;
      expect({ vector, code }).toEqual({ vector, code: 0 });
      expect(bytesAt(memory, at ?? 0, isCall ? 9 : 1)).toEqual(isCall ? fails : [0xcf]);
    });
    expect(plan.notes.at(-1)).toContain(`acpi_rsdp=0x${address.toString(16)} on its command line.`);
  });

  test.each<[string, Partial<LoadRequest>, HostFacts, boolean, string]>([
    ["after a BIOS", {}, FACTS, true, "Screen:"],
    ["where the page at 0 may not be used", { memMin: 0x100000n }, EFI, true, "page 0 is in use"],
    ["where it is not known", {}, { ...EFI, acpiRsdp: null }, false, "below 4 GiB known"],
    ["where it is too high", {}, { ...EFI, acpiRsdp: 1n << 32n }, false, "below 4 GiB known"],
    ["where it ends too high", {}, { ...EFI, acpiRsdp: 0xffffffddn }, false, "below 4 GiB known"],
  ])("%s", (_, request, facts, told, note) => {
    const plan = planOf(MB2, request, facts);
    expect([...tagsOf(plan).keys()].includes(15)).toBe(told);
    expect(plan.notes.at(-1)).toContain(note);
    const isPage = plan.segments.some(({ role }) => role === "bios-page");
    expect(isPage).toBe(facts !== FACTS && request.memMin === undefined);
    if (!told) expect(entryOf(plan).rip).toBe(segment(plan, "kernel").start);
  });

  test("a page at 0 that is not RAM stays as it is", () => {
    const map = EFI.memoryMap ?? { source: "iomem", ranges: [] };
    const ranges = map.ranges.map((r) => (r.start === 0x400n ? { ...r, start: 0x1000n } : r));
    const plan = planOf(MB1, {}, { ...EFI, memoryMap: { ...map, ranges } });
    expect(plan.segments.some(({ role }) => role === "bios-page")).toBe(false);
    expect(entryOf(plan).rip).toBe(0x200000n);
  });
});

describe("the screen", () => {
  const screenOf = (change: Partial<X86Facts>, console: Partial<ConsoleRequest> = {}) => {
    const request = { console: { ...loadRequest().console, ...console } };
    const facts = withScreen(FACTS, { bootParams: atBoot(), ...change });
    const [mb1, mb2] = [MB1, MB2].map((image) => planOf(image, request, facts));
    if (mb1 === undefined || mb2 === undefined) throw new Error("no plan");
    expect(mb1.notes.filter((note) => note.startsWith("Screen:"))).toHaveLength(1);
    const { bytes } = segment(mb1, "multiboot-info");
    const hasScreen = (MultibootInfo.read(bytes).flags & MultibootInfoFlag.framebuffer) !== 0;
    const tag = tagsOf(mb2).get(Multiboot2TagType.framebuffer);
    expect(tag !== undefined).toBe(hasScreen);
    return {
      screen: hasScreen ? MultibootFramebuffer.read(bytes, 88) : null,
      colors: hasScreen ? [...bytes.subarray(110, 116)] : null,
      note: mb1.notes.at(-1),
    };
  };
  const simpledrm = { ...framebuffer, id: "simpledrmdrmfb", smemStart: 0n };

  test.each([
    ["efifb", { framebuffer }],
    ["simpledrm, which hides where it is", { framebuffer: simpledrm }],
    ["no driver", { display: display() }],
  ])("the firmware's frame buffer: %s", (_, change) => {
    const { screen, colors, note } = screenOf(change);
    expect(screen).toEqual({
      framebuffer_addr: 0x80000000n,
      framebuffer_pitch: 4096,
      framebuffer_width: 1024,
      framebuffer_height: 768,
      framebuffer_bpp: 32,
      framebuffer_type: 1,
    });
    expect(colors).toEqual([16, 8, 8, 8, 0, 8]);
    expect(note).toStartWith("Screen: 1024x768x32 at 0x80000000, as at boot, because ");
  });

  test.each<[string, Partial<X86Facts>, string]>([
    [
      "more bits than it can say",
      { bootParams: atBoot(0x70, { 23: 1 }) },
      "Screen: not passed on, because it has 288 bits.",
    ],
    [
      "a driver has the card",
      { display: display({ devices: [{ ...card, driver: "i915", drm: true }] }) },
      "Screen: none, because i915 drives 0000:00:02.0.",
    ],
    ["text", { bootParams: atBoot(1) }, "Screen: not passed on, because it is not a frame buffer."],
    [
      "a palette",
      { bootParams: atBoot(0x23, { 22: 8, 38: 0, 40: 0, 42: 0 }) },
      "Screen: not passed on, because its mode has a colour palette.",
    ],
  ])("none: %s", (_, change, note) => {
    expect(screenOf(change)).toEqual({
      screen: null,
      colors: null,
      note,
    });
  });

  test.each([
    [{ resetVga: true }, "--reset-vga"],
    [{ vga: true }, "--console-vga"],
  ])("text, as asked: %j", (console, option) => {
    const { screen, note } = screenOf({ framebuffer }, console);
    expect(screen).toMatchObject({ framebuffer_addr: 0xb8000n, framebuffer_type: 2 });
    expect(note).toBe(`Screen: VGA text of 80x25, because ${option} asks for it.`);
  });
});

describe("a broken file", () => {
  test.each([
    ["multiboot", MB1],
    ["multiboot2", MB2],
  ])("%s cut anywhere, or with a byte changed, gives a plan or a refusal", (_, image) => {
    const tryOne = (bytes: Uint8Array) => {
      const plan = orRefusal(() => planOf(bytes));
      return plan instanceof KexecError ? 0 : plan.segments.length;
    };
    for (let length = 0; length < image.length; length += 1) {
      expect(tryOne(image.slice(0, length))).toBe(0);
    }
    for (let at = 0; at < 0xc0; at += 1) {
      for (const value of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
        const changed = image.slice();
        changed[at] = value;
        expect(tryOne(changed)).toBeGreaterThanOrEqual(0);
      }
    }
  });
});
