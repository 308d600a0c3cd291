import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BootParams } from "../../../../src/arch/x86-64/handoff/boot-params.ts";
import {
  SETUP_DTB,
  SETUP_RNG_SEED,
  SetupData,
} from "../../../../src/arch/x86-64/handoff/setup-data.ts";
import { SetupHeader } from "../../../../src/arch/x86-64/handoff/setup-header.ts";
import { textUntilNul } from "../../../../src/core/bytes.ts";
import { KexecError } from "../../../../src/core/error.ts";
import type { HostFacts } from "../../../../src/model/host-facts.ts";
import type { SegmentPlan } from "../../../../src/model/load-plan.ts";
import type { LoaderRequest, LoadRequest } from "../../../../src/model/request.ts";
import { NO_X86_FACTS } from "../../../../src/model/x86-64.ts";
import { buildFilePlan, buildSegmentPlan } from "../../../../src/plan/build-plan.ts";
import { type BzImageParts, makeBzImage } from "../../../images/make-bzimage.ts";
import { makeDtb } from "../../../images/make-dtb.ts";
import { orRefusal, refusalText } from "../../../kexec-error.ts";
import { expectGoldenPlan, machine } from "../../../plan/golden.ts";
import { entryOf, file, segment } from "../../../plan/pieces.ts";
import { loadRequest, NO_FILES, NO_LOADER } from "../../../plan/requests.ts";

const BIOS = machine("qemu-6g-bios");
const DTB = makeDtb("a machine");
const ZIMAGE = { loadflags: 0, version: 0x0202, relocatable: 0, xloadflags: 0 } as const;

interface Case {
  readonly request?: Partial<LoadRequest>;
  readonly loader?: Partial<LoaderRequest>;
  readonly image?: BzImageParts | Uint8Array;
  readonly facts?: HostFacts;
  readonly dtb?: boolean;
}

function planOf({ request, loader, image, facts = BIOS, dtb }: Case): SegmentPlan {
  const bytes = image instanceof Uint8Array ? image : makeBzImage(image);
  const given = { realMode: true, given: ["real-mode"] };
  const asked = { ...NO_LOADER, commandLine: "quiet", ...given, ...loader };
  return buildSegmentPlan(loadRequest({ loader: asked, ...request }), facts, {
    ...NO_FILES,
    kernel: file("/boot/vmlinuz", bytes),
    initrd: file("/boot/initrd", new Uint8Array(5000).fill(7)),
    dtb: dtb === true ? file("/boot/dtb", DTB) : null,
  });
}

const refusal = (c: Case) => refusalText(() => planOf(c));

/** The real-mode segment's header, and text at an address of it. */
function setupOf(plan: SegmentPlan) {
  const { start, bytes } = segment(plan, "real-mode");
  const at = (address: number) => textUntilNul(bytes.subarray(address - Number(start)));
  return { start: Number(start), bytes, at, header: SetupHeader.read(bytes) };
}

describe("the 16-bit entry", () => {
  test("the plan", () => {
    expectGoldenPlan("real-mode", planOf({}), BIOS);
  });

  test("segments are the real-mode code's, the entry is at 0x200, the stack above the heap", () => {
    const plan = planOf({});
    expect(plan.imageType).toBe("bzImage");
    const { start } = setupOf(plan);
    expect(start).toBe(0x10000);
    const { entry_mode, rip, rsp, cs, ds, es, ss, fs, gs, flags_16 } = entryOf(plan);
    expect({ entry_mode, rip, rsp, flags_16 }).toEqual({
      ...{ entry_mode: 2, rip: 0n },
      ...{ rsp: 0xe000n, flags_16: 2 },
    });
    expect([cs, ds, es, ss, fs, gs]).toEqual([0x1020, ...Array(5).fill(0x1000)]);
    const purgatory = segment(plan, "purgatory");
    expect(purgatory.start + purgatory.size <= 0xa0000n).toBe(true);
  });

  test("the real-mode code is the kernel's, told where everything is", () => {
    const image = makeBzImage({ setupSects: 5 });
    image.fill(0x5a, 0x300, 0xc00);
    const plan = planOf({ image });
    const { start, at, header, bytes } = setupOf(plan);
    expect(bytes.subarray(0x300, 0xc00)).toEqual(image.subarray(0x300, 0xc00));
    const kernel = segment(plan, "kernel");
    expect(kernel.bytes).toEqual(image.subarray(0xc00));
    const initrd = segment(plan, "initrd");
    expect(header).toMatchObject({
      type_of_loader: 0xd0,
      loadflags: 0x81,
      heap_end_ptr: 0xde00,
      code32_start: Number(kernel.start),
      ramdisk_image: Number(initrd.start),
      ramdisk_size: 5000,
      cmd_line_ptr: start + 0xe000,
      setup_data: 0n,
    });
    expect(at(header.cmd_line_ptr)).toBe("quiet");
  });

  test.each([
    ["vga=791", 791],
    ["vga=0x317 x", 0x317],
    ["vga=ask vga=normal", 0xffff],
    ["vga=ext", 0xfffe],
    ["vga=what", 0],
    ["xvga=5", 0],
  ])("%s is the loader's to obey", (commandLine, mode) => {
    expect(setupOf(planOf({ loader: { commandLine } })).header.vid_mode).toBe(mode);
  });

  test("device tree and random numbers are nodes of setup_data", () => {
    const facts = { ...BIOS, rngSeed: new Uint8Array(32).fill(9) };
    const plan = planOf({ dtb: true, facts });
    const { start, bytes } = segment(plan, "setup-data");
    expect(setupOf(plan).header.setup_data).toBe(start);
    const first = SetupData.read(bytes);
    const second = SetupData.read(bytes, Number(first.next - start));
    expect([first.type, first.len]).toEqual([SETUP_DTB, DTB.length]);
    expect([second.type, second.len, second.next]).toEqual([SETUP_RNG_SEED, 32, 0n]);
  });

  test("a kernel that cannot be moved goes to 1 MiB", () => {
    const plan = planOf({ image: { relocatable: 0, version: 0x0204, xloadflags: 0 } });
    expect(segment(plan, "kernel").start).toBe(0x100000n);
    expect(setupOf(plan).header.code32_start).toBe(0x100000);
  });

  test("-t bzImage leads to it too, and --entry-32bit does not lead away", () => {
    const loader = { entry32Bit: true, given: ["real-mode", "entry-32bit"] };
    const plans = [planOf({ request: { type: "bzImage" } }), planOf({ loader })];
    expect(plans.map((plan) => entryOf(plan).entry_mode)).toEqual([2, 2]);
  });
});

describe("old kernels have no other entry", () => {
  const plain = { realMode: false, given: [] };

  test("a zImage lies at 64 KiB, its real-mode code above it, and neither moves", () => {
    const plan = planOf({ image: ZIMAGE, loader: plain });
    expect(plan.imageType).toBe("bzImage");
    expect(segment(plan, "kernel").start).toBe(0x10000n);
    const { start, at, header } = setupOf(plan);
    expect(start).toBe(0x90000);
    expect(at(header.cmd_line_ptr)).toBe("quiet");
    expect(header).toMatchObject({
      ...{ loadflags: 0x80, code32_start: 0 },
      ...{ heap_end_ptr: 0x9600, cmd_line_ptr: 0x99800 },
    });
    expect(entryOf(plan)).toMatchObject({ cs: 0x9020, ss: 0x9000, rsp: 0x9800n });
  });

  test.each([
    ["2.00", 0x0200, { loadflags: 1, heap_end_ptr: 0 }],
    ["2.01", 0x0201, { loadflags: 0x81, heap_end_ptr: 0x9600 }],
  ])("protocol %s: the command line is found by a mark", (_, version, heap) => {
    const image = { version, relocatable: 1, xloadflags: 0x3f };
    const plan = planOf({ image, loader: plain });
    const { start, bytes, header } = setupOf(plan);
    expect(start).toBe(0x90000);
    const view = new DataView(bytes.slice().buffer);
    expect([view.getUint16(0x20, true), view.getUint16(0x22, true)]).toEqual([0xa33f, 0x9800]);
    expect(textUntilNul(bytes.subarray(0x9800))).toBe("quiet");
    expect(header).toMatchObject({ ...heap, setup_move_size: 0x9806, cmd_line_ptr: 0 });
    expect(segment(plan, "kernel").start).toBe(0x100000n);
  });

  test("a zImage that reaches its real-mode code is refused", () => {
    const image = { ...ZIMAGE, codeSize: 0x80010 };
    expect(refusal({ image, loader: plain }).hint).toContain("Cannot place the real-mode");
  });
});

describe("refusals", () => {
  const uefi = machine("qemu-uefi");

  test.each<[string, Case, string]>([
    ["EFI", { facts: uefi }, "there is none"],
    [
      "EFI that the running kernel was told to leave alone",
      { facts: { ...uefi, efi: null } },
      "there is none",
    ],
    [
      "a crash kernel",
      { facts: machine("qemu-2g-vesa-edd-crash"), request: { purpose: "crash" } },
      "Can't use bzImage for crash dump purposes with real mode entry",
    ],
    ["too much real-mode code", { image: { setupSects: 64 } }, "more than the 0x8000"],
    ["a device tree and an old protocol", { dtb: true, image: { version: 0x0208 } }, "2.09"],
    ["a file cut short", { image: makeBzImage().subarray(0, 3000) }, "cut short"],
    ["a wrong alignment", { image: { kernelAlignment: 3 } }, "is not a power of two"],
    ["a long command line", { loader: { commandLine: "x".repeat(2047) } }, "takes at most 2046"],
  ])("%s", (_, c, words) => {
    const { status, message, hint } = refusal(c);
    expect([status, message]).toEqual([255, "Cannot load /boot/vmlinuz"]);
    expect(hint).toContain(words);
  });

  test("nothing is known to speak against a machine without boot params", () => {
    expect(BootParams.read(BIOS.x86_64?.bootParams ?? new Uint8Array()).efi_info[0]).toBe(0);
    const plan = planOf({ facts: { ...BIOS, x86_64: NO_X86_FACTS } });
    expect(entryOf(plan).entry_mode).toBe(2);
  });

  test("kexec_file_load cannot do it", () => {
    const loader = { ...NO_LOADER, realMode: true, given: ["real-mode"] };
    const kernel = file("k", makeBzImage());
    const files = { kernel: { path: "k", fd: 3, size: 1n }, initrd: null };
    const plan = buildFilePlan(loadRequest({ loader }), BIOS, kernel, () => files);
    expect(plan).toEqual({ notByFile: expect.stringContaining("kexec_file_load") });
  });
});

describe("broken files", () => {
  test.each([
    ["bzImage", makeBzImage({ codeSize: 0x200 })],
    ["zImage", makeBzImage({ ...ZIMAGE, codeSize: 0x200 })],
  ])("a %s cut at any offset is refused, never a crash", (_, image) => {
    // The header counts begun paragraphs of 16 bytes.
    for (let length = 0; length < image.length - 15; length += 1) {
      expect(refusal({ image: image.subarray(0, length) }).status).toBe(255);
    }
  });

  test("a last paragraph that lacks 15 bytes is whole", () => {
    const image = makeBzImage();
    const plan = planOf({ image: image.subarray(0, image.length - 15) });
    expect(segment(plan, "kernel").bytes.length).toBe(0x1000 - 15);
  });

  test("any header byte changed: a plan or a refusal", () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.integer({ min: 0x1f1, max: 0x26b }),
        fc.nat(255),
        (old, at, byte) => {
          const image = makeBzImage({ ...(old ? ZIMAGE : {}), codeSize: 0x200 });
          image[at] = byte;
          const plan = orRefusal(() => planOf({ image }));
          if (!(plan instanceof KexecError)) expect(plan.segments.length).toBeGreaterThan(2);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
