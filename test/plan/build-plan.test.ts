import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BootParams } from "../../src/arch/x86-64/handoff/boot-params.ts";
import { SetupHeader } from "../../src/arch/x86-64/handoff/setup-header.ts";
import { xxHash64 } from "../../src/core/digest.ts";
import { KexecError } from "../../src/core/error.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";
import type { Segment, SegmentPlan } from "../../src/model/load-plan.ts";
import type { LoadRequest } from "../../src/model/request.ts";
import { buildSegmentPlan } from "../../src/plan/build-plan.ts";
import { type BzImageParts, makeBzImage } from "../images/make-bzimage.ts";
import { orRefusal, refusalText } from "../kexec-error.ts";
import { expectGoldenPlan, machine } from "./golden.ts";
import { file, pattern, segment } from "./pieces.ts";
import { loadRequest, NO_FILES } from "./requests.ts";

interface Case {
  readonly request?: Partial<LoadRequest>;
  readonly image?: BzImageParts | Uint8Array;
  readonly initrd?: number | null;
  readonly facts?: HostFacts;
}

function planOf({ request, image, initrd = 0x12345, facts }: Case): SegmentPlan {
  const bytes = image instanceof Uint8Array ? image : makeBzImage(image);
  return buildSegmentPlan(loadRequest(request), facts ?? machine("qemu-1g-bios"), {
    ...NO_FILES,
    kernel: file("/boot/vmlinuz", bytes),
    initrd: initrd === null ? null : file("/boot/initrd", pattern(initrd)),
  });
}

describe("golden plans", () => {
  test.each([
    ["qemu-1g-bios"],
    ["qemu-6g-bios"],
    ["qemu-uefi"],
    ["qemu-uefi-bochs"],
    ["qemu-2g-vesa-edd-crash"],
    ["many-ranges"],
    ["qemu-2g-xen"],
    ["qemu-2g-xen-crash"],
  ])("%s", (name) => {
    const facts = machine(name);
    const plan = planOf({ facts });
    expectGoldenPlan(name, plan, facts);
  });
});

describe("what the next kernel finds", () => {
  const plan = planOf({});
  const bootParams = segment(plan, "boot-params");
  const header = SetupHeader.read(bootParams.bytes);

  test("its initrd", () => {
    const initrd = segment(plan, "initrd");
    expect(BigInt(header.ramdisk_image)).toBe(initrd.start);
    expect(header.ramdisk_size).toBe(0x12345);
    expect(initrd.size).toBe(0x13000n);
  });

  test("its command line, NUL-terminated", () => {
    const at = Number(BigInt(header.cmd_line_ptr) - bootParams.start);
    const text = Buffer.from(bootParams.bytes.subarray(at, at + 21)).toString("latin1");
    expect(text).toBe("root=/dev/vda1 quiet\0");
  });

  test("the memory map of this machine", () => {
    const count = BootParams.read(bootParams.bytes).e820_entries;
    expect(count).toBe(machine("qemu-1g-bios").memoryMap?.ranges.length ?? -1);
  });

  test("itself, without the setup code, at a multiple of its alignment", () => {
    const kernel = segment(plan, "kernel");
    expect(kernel.bytes).toEqual(makeBzImage().subarray(1024));
    expect(kernel.start % 0x200000n).toBe(0n);
    expect(kernel.start >= 0x1000000n).toBe(true);
    expect(kernel.size).toBe(0x100000n);
  });
});

describe("the purgatory", () => {
  test("is the entry, and every other segment has the digest of its bytes", () => {
    const plan = planOf({});
    const purgatory = segment(plan, "purgatory");
    expect(plan.entry).toBe(purgatory.start);
    for (const s of plan.segments.filter(({ role }) => role !== "purgatory")) {
      expect(s.digest).toBe(xxHash64(s.bytes));
    }
    expect(purgatory.digest).toBeNull();
  });

  test("--no-checks leaves the digests out", () => {
    const plan = planOf({ request: { skipChecks: true } });
    expect(plan.segments.every((s) => s.digest === null)).toBe(true);
  });
});

test("--entry is the plan's entry point, and must lie in a segment", () => {
  const usual = planOf({});
  const kernel = usual.segments.find(({ role }) => role === "kernel")?.start ?? 0n;
  const plan = planOf({ request: { entry: kernel } });
  expect(plan.entry).toBe(kernel);
  expect({ ...plan, entry: usual.entry, notes: usual.notes }).toEqual(usual);
  expect(plan.notes.filter((note) => !usual.notes.includes(note))).toEqual([
    `the running kernel jumps to 0x${kernel.toString(16)} (--entry), not to the purgatory: ` +
      "nothing is checked or prepared before that",
  ]);
  expect(refusal({ request: { entry: 0x10n } }).message).toBe(
    "the entry point 0x10 is in no segment",
  );
});

describe("places", () => {
  test("kernel and initrd lie above 4 GiB where there is memory", () => {
    const plan = planOf({ facts: machine("qemu-6g-bios") });
    expect(plan.segments.every((s) => s.start >= 1n << 32n)).toBe(true);
    const header = segment(plan, "boot-params").bytes;
    const { ext_ramdisk_image, ext_cmd_line_ptr } = BootParams.read(header);
    expect([ext_ramdisk_image, ext_cmd_line_ptr]).toEqual([1, 1]);
  });

  test("an image without XLF_CAN_BE_LOADED_ABOVE_4G stays below, its initrd too", () => {
    const plan = planOf({
      facts: machine("qemu-6g-bios"),
      image: { xloadflags: 1, initrdAddrMax: 0x37ffffff },
    });
    const end = (role: Segment["role"]) => segment(plan, role).start + segment(plan, role).size;
    expect(end("kernel") <= 1n << 32n).toBe(true);
    expect(end("boot-params") <= 1n << 32n).toBe(true);
    expect(end("initrd") <= 0x38000000n).toBe(true);
  });

  test("--mem-min and --mem-max bound every segment", () => {
    const plan = planOf({ request: { memMin: 0x10000000n, memMax: 0x1fffffffn } });
    for (const s of plan.segments) {
      expect(s.start >= 0x10000000n && s.start + s.size <= 0x20000000n).toBe(true);
    }
  });
});

/** The refusal of a case: status, message and hint. */
const refusal = (c: Case) => refusalText(() => planOf(c));

describe("refusals", () => {
  test.each<[string, Case, number, string, string]>([
    [
      "a file shorter than its header says",
      { image: makeBzImage().subarray(0, 3000) },
      255,
      "Cannot load /boot/vmlinuz",
      "bzImage64: the file is cut short: it has 3000 bytes, but its header requires 5105 or more",
    ],
    [
      "a command line that is too long",
      { request: { loader: { ...loadRequest().loader, commandLine: "x".repeat(2100) } } },
      255,
      "Cannot load /boot/vmlinuz",
      "bzImage64: the command line has 2100 bytes, this kernel takes at most 2046",
    ],
    [
      "an option that the type does not take",
      { request: { loader: { ...loadRequest().loader, modules: ["m"], given: ["module"] } } },
      255,
      "Cannot load /boot/vmlinuz",
      "bzImage64: image type bzImage64 does not accept --module\nIt accepts ",
    ],
    [
      "no room",
      { request: { memMax: 0x8ffffn } },
      1,
      "Could not find a free area of memory of 0x100000 bytes...\nlocate_hole failed",
      "Cannot place the kernel: 1 MiB",
    ],
    [
      "an initrd beyond half of the memory",
      { image: { initSize: 0x20000000 }, initrd: 0x8000 },
      255,
      "the segments take 512 MiB",
      "Use a smaller initrd",
    ],
    [
      "a kernel that cannot be moved, as bzImage64",
      { image: { relocatable: 0 }, request: { type: "bzImage64" } },
      255,
      "Wrong file type bzImage64, file matches type bzImage",
      "",
    ],
    [
      "an old boot protocol",
      { image: { version: 0x01ff } },
      255,
      "Cannot determine the file type of /boot/vmlinuz",
      "bzImage64: boot protocol 1.255 at offset 0x206, 2.12 or newer is needed",
    ],
    [
      "a zImage that could be moved, which there is none",
      { image: { loadflags: 0 } },
      255,
      "Cannot determine the file type of /boot/vmlinuz",
      "LOADED_HIGH is not set",
    ],
    [
      "something else",
      { image: Uint8Array.of(0x1f, 0x8b, ...pattern(2000)) },
      255,
      "Cannot determine the file type of /boot/vmlinuz",
      "not a PE file with a section .linux. It looks like gzip-compressed data.",
    ],
    [
      "an unknown type",
      { request: { type: "nonsense" } },
      255,
      "Unsupported kernel type nonsense",
      "The types for this machine are: multiboot2-x86, elf-x86_64",
    ],
    [
      "a machine whose memory is unknown",
      { facts: { ...machine("qemu-1g-bios"), memoryMap: null } },
      255,
      "Could not get memory layout",
      "",
    ],
  ])("%s", (_, c, status, message, hint) => {
    const got = refusal(c);
    expect(got.status).toBe(status);
    expect(got.message).toStartWith(message);
    expect(got.hint).toContain(hint);
  });

  test("an image cut at any offset is refused, never a crash", () => {
    const image = makeBzImage({ codeSize: 0x200 });
    // The header counts begun paragraphs of 16 bytes.
    for (let length = 0; length < image.length - 15; length += 1) {
      expect(refusal({ image: image.subarray(0, length), initrd: null }).status).toBe(255);
    }
  });

  test("an image with any header byte changed gives a plan or a refusal", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0x1f1, max: 0x26b }), fc.nat(255), (at, byte) => {
        const image = makeBzImage({ codeSize: 0x200 });
        image[at] = byte;
        const plan = orRefusal(() => planOf({ image, initrd: null }));
        if (!(plan instanceof KexecError)) expect(plan.segments.length).toBeGreaterThan(2);
      }),
      { numRuns: 2000 },
    );
  });
});
