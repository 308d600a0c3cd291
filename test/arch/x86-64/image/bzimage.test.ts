import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BootParams } from "../../../../src/arch/x86-64/handoff/boot-params.ts";
import { SETUP_DTB, SetupData } from "../../../../src/arch/x86-64/handoff/setup-data.ts";
import { SetupHeader } from "../../../../src/arch/x86-64/handoff/setup-header.ts";
import { KexecError } from "../../../../src/core/error.ts";
import type { HostFacts } from "../../../../src/model/host-facts.ts";
import type { SegmentPlan } from "../../../../src/model/load-plan.ts";
import type { LoaderRequest, LoadRequest } from "../../../../src/model/request.ts";
import { NO_X86_FACTS } from "../../../../src/model/x86-64.ts";
import { buildFilePlan, buildSegmentPlan } from "../../../../src/plan/build-plan.ts";
import { difference } from "../../../conformance/differences.ts";
import { type BzImageParts, makeBzImage } from "../../../images/make-bzimage.ts";
import { makeDtb } from "../../../images/make-dtb.ts";
import { orRefusal, refusalText } from "../../../kexec-error.ts";
import { machine } from "../../../plan/golden.ts";
import { entryOf, file, segment } from "../../../plan/pieces.ts";
import { loadRequest, NO_FILES, NO_LOADER } from "../../../plan/requests.ts";

const DTB = makeDtb("a machine");

interface Case {
  readonly request?: Partial<LoadRequest>;
  readonly loader?: Partial<LoaderRequest>;
  readonly image?: BzImageParts | Uint8Array;
  readonly machine?: string;
  readonly dtb?: boolean | Uint8Array;
}

function planOf({ request, loader, image, machine: name, dtb }: Case): SegmentPlan {
  const bytes = image instanceof Uint8Array ? image : makeBzImage(image);
  const asked = { ...NO_LOADER, commandLine: "quiet", ...loader };
  const full = loadRequest({ type: "bzImage", loader: asked, ...request });
  return buildSegmentPlan(full, machine(name ?? "qemu-6g-bios"), {
    ...NO_FILES,
    kernel: file("/boot/vmlinuz", bytes),
    initrd: file("/boot/initrd", new Uint8Array(5000).fill(7)),
    dtb: dtb === undefined ? null : file("/boot/dtb", dtb instanceof Uint8Array ? dtb : DTB),
  });
}

const refusal = (c: Case) => refusalText(() => planOf(c));

describe("the 32-bit entry", () => {
  test("is the kernel's first byte, esi has boot params, and all lies below 4 GiB", () => {
    const plan = planOf({});
    expect(plan.imageType).toBe("bzImage");
    const { entry_mode, rip, rsi, rbx, rbp, rdi } = entryOf(plan);
    expect(entry_mode).toBe(1);
    expect(rip).toBe(segment(plan, "kernel").start);
    expect(rsi).toBe(segment(plan, "boot-params").start);
    expect([rbx, rbp, rdi]).toEqual([0n, 0n, 0n]);
    expect(plan.segments.every(({ start, size }) => start + size <= 1n << 32n)).toBe(true);
  });

  test("--entry-32bit hands an image of type bzImage64 over", () => {
    const loader = { entry32Bit: true, given: ["entry-32bit"] };
    const plan = planOf({ loader, request: { type: null, loader: { ...NO_LOADER, ...loader } } });
    expect([plan.imageType, entryOf(plan).entry_mode]).toEqual(["bzImage", 1]);
  });

  test("a 32-bit kernel lies in the memory that it maps", () => {
    const plan = planOf({ image: { xloadflags: 0, version: 0x020a, initrdAddrMax: 0x37ffffff } });
    const { start, size } = segment(plan, "kernel");
    expect(start + size <= 0x38000000n).toBe(true);
    expect(plan.imageType).toBe("bzImage");
  });

  test("a kernel that cannot be moved goes to 1 MiB", () => {
    const plan = planOf({ image: { relocatable: 0, version: 0x0204, xloadflags: 0 } });
    expect(segment(plan, "kernel").start).toBe(0x100000n);
    // Its version says nothing of init_size, so boot params keep out of the way.
    expect(segment(plan, "boot-params").start < 0xa0000n).toBe(true);
  });

  test.each<[string, BzImageParts]>([
    ["is not relocatable", { relocatable: 0 }],
    ["is not relocatable, and says so by xloadflags too", { relocatable: 0, xloadflags: 0x09 }],
    ["has no 64-bit entry", { xloadflags: 0x3e }],
    ["has a 64-bit entry for the lowest 4 GiB only", { xloadflags: 0x3d }],
    ["does not say how much memory it needs", { initSize: 0 }],
  ])("a kernel that %s is entered in 32-bit mode unasked, and by kexec_load only", (_, image) => {
    const request = { type: null };
    const plan = planOf({ image, request });
    expect([plan.imageType, entryOf(plan).entry_mode]).toEqual(["bzImage", 1]);
    const kernel = file("k", makeBzImage(image));
    const files = () => ({ kernel: { path: "k", fd: 3, size: 1n }, initrd: null });
    for (const type of [null, "bzImage"]) {
      expect(buildFilePlan(loadRequest({ type }), machine("qemu-1g-bios"), kernel, files)).toEqual({
        notByFile: expect.stringContaining("in 64-bit mode, wherever they lie: "),
      });
    }
    expect(refusal({ image, request: { type: "bzImage64" } }).message).toBe(
      "Wrong file type bzImage64, file matches type bzImage",
    );
  });

  const paging = (fiveLevelPaging: boolean | null, more: Partial<HostFacts> = {}): HostFacts => {
    const facts = machine("qemu-1g-bios");
    const own = facts.x86_64 ?? NO_X86_FACTS;
    return { ...facts, x86_64: { ...own, fiveLevelPaging }, ...more };
  };
  const XEN = { xen: { version: "4.17", capabilities: "xen-3.0-x86_64", hypervisor: null } };

  test.each<[string, HostFacts, number, "bzImage" | "bzImage64", boolean]>([
    ["5 levels, and it knows of them", paging(true), 0x3f, "bzImage64", true],
    ["5 levels, and it does not", paging(true), 0x1f, "bzImage", false],
    ["5 levels, and it says that they are enabled only", paging(true), 0x5f, "bzImage", false],
    ["4 levels", paging(false), 0x1f, "bzImage64", true],
    ["Xen, which has 4", paging(true, XEN), 0x1f, "bzImage64", true],
    // The running kernel knows, and refuses: then the entry is one that lives in both.
    ["unknown", paging(null), 0x1f, "bzImage", true],
  ])(
    `${difference("five-level-paging").id}: page tables of %s`,
    (_, facts, xloadflags, type, byFile) => {
      const kernel = file("k", makeBzImage({ xloadflags }));
      const files = () => ({ kernel: { path: "k", fd: 3, size: 1n }, initrd: null });
      for (const asked of [null, "bzImage64"]) {
        const request = loadRequest({ type: asked });
        const plan = buildSegmentPlan(request, facts, { ...NO_FILES, kernel });
        expect([plan.imageType, entryOf(plan).entry_mode]).toEqual([
          type,
          type === "bzImage" ? 1 : 0,
        ]);
        const reason = "the kernel is entered in 32-bit mode: the running kernel";
        expect(plan.notes.some((note) => note.startsWith(reason))).toBe(type === "bzImage");
        const filePlan = buildFilePlan(request, facts, kernel, files);
        if (byFile) expect("notByFile" in filePlan).toBe(false);
        else
          expect(filePlan).toEqual({ notByFile: expect.stringContaining("XLF_5LEVEL is not set") });
      }
      const asBzImage = buildFilePlan(loadRequest({ type: "bzImage" }), facts, kernel, files);
      expect("notByFile" in asBzImage).toBe(!byFile);
    },
  );

  test.each([
    [0x200000, 21, 0x200000n],
    [0x1000, 24, 0x1000000n],
    [0x1000000, 13, 0x1000000n],
  ])("kernel_alignment %p and min_alignment %p: a multiple of %p", (kernelAlignment, min, all) => {
    const image = makeBzImage({ kernelAlignment });
    image[0x235] = min;
    for (const type of ["bzImage", "bzImage64"]) {
      const { start } = segment(planOf({ image, request: { type } }), "kernel");
      expect(start % all).toBe(0n);
    }
    image[0x235] = 64;
    expect(refusal({ image }).hint).toContain("min_alignment at 0x235 is 2^64");
  });

  test(`${difference("fixed-kernel").id}: nothing is put where the kernel moves itself`, () => {
    // 0x1000000 to 0x8000000, of 128 MiB and 64 KiB.
    const facts = machine("qemu-1g-bios");
    const ranges = [
      { start: 0x1000n, end: 0x9f000n, type: "ram" },
      { start: 0x100000n, end: 0x8010000n, type: "ram" },
    ] as const;
    const small = { ...facts, memoryMap: { source: "iomem", ranges } } as const;
    const request = loadRequest({ loader: { ...NO_LOADER, commandLine: "quiet" } });
    const planFor = (image: BzImageParts) =>
      buildSegmentPlan(request, small, {
        ...NO_FILES,
        kernel: file("/boot/vmlinuz", makeBzImage({ relocatable: 0, ...image })),
        initrd: file("/boot/initrd", new Uint8Array(5000).fill(7)),
      });
    const plan = planFor({ prefAddress: 0x1000000n, initSize: 0x7000000 });
    expect(segment(plan, "kernel")).toMatchObject({ start: 0x100000n, size: 0x1000n });
    const inside = plan.segments.filter(
      ({ start, size }) => start + size > 0x1000000n && start < 0x8000000n,
    );
    expect(inside).toEqual([]);
    expect(segment(plan, "kernel").reason).toContain("runs at [0x1000000, 0x8000000)");
    // What it moves itself over is no RAM, or somebody else's.
    const beyond = refusalText(() => planFor({ prefAddress: 0x2000000n, initSize: 0x7000000 }));
    expect(beyond.hint).toContain("Cannot place the kernel: 112 MiB");
    // Most images of others run where they are put.
    const here = planFor({ prefAddress: 0x100000n, initSize: 0x6acf8 });
    expect(segment(here, "kernel")).toMatchObject({ start: 0x100000n, size: 0x1000n });
    expect(here.segments.some(({ start }) => start > 0x101000n && start < 0x16b000n)).toBe(false);
  });

  test.each(["bzImage", null])(
    `${difference("device-tree").id}: --dtb is a node of setup_data, type %p`,
    (asked) => {
      const loader = { ...NO_LOADER, dtb: "/boot/dtb", given: ["dtb"] };
      const plan = planOf({ dtb: true, request: { type: asked, loader } });
      expect(plan.imageType).toBe(asked ?? "bzImage64");
      expect(plan.notes).toContain(
        `The device tree of /boot/dtb is passed on: ${DTB.length} bytes in setup_data.`,
      );
      const bootParams = segment(plan, "boot-params");
      const { setup_data } = SetupHeader.read(bootParams.bytes);
      const at = Number(setup_data - bootParams.start);
      const { type, len } = SetupData.read(bootParams.bytes, at);
      expect({ type, len }).toEqual({ type: SETUP_DTB, len: DTB.length });
      expect(bootParams.bytes.subarray(at + 16, at + 16 + len)).toEqual(DTB);
      expect(BootParams.read(bootParams.bytes).e820_entries).toBeGreaterThan(0);
    },
  );
});

describe("refusals", () => {
  test.each<[string, Case, string]>([
    ["a device tree and an old protocol", { dtb: true, image: { version: 0x0208 } }, "2.09"],
    ["what is no device tree", { dtb: DTB.subarray(4) }, "there is no 0xd00dfeed at its start"],
    ["less than its header", { dtb: DTB.subarray(0, 39) }, "there is no 0xd00dfeed at its start"],
    ["a device tree cut short", { dtb: DTB.subarray(0, 40) }, "cut short: it has 40 bytes"],
    ["a wrong alignment", { image: { kernelAlignment: 3 } }, "is not a power of two"],
    ["a file cut short", { image: makeBzImage().subarray(0, 3000) }, "cut short"],
    [
      "256 bytes and more for a kernel that does not say",
      { image: { version: 0x0205 }, loader: { commandLine: "x".repeat(256) } },
      "takes at most 255",
    ],
    [
      "a crash kernel that cannot be moved",
      {
        machine: "qemu-2g-vesa-edd-crash",
        request: { purpose: "crash" },
        image: { relocatable: 0 },
      },
      "Can't be used as capture kernel",
    ],
  ])("%s", (_, c, words) => {
    const { status, message, hint } = refusal(c);
    expect([status, message]).toEqual([255, "Cannot load /boot/vmlinuz"]);
    expect(hint).toContain(words);
  });

  test.each<[Partial<LoaderRequest>, string | null]>([
    [{ entry32Bit: true, given: ["entry-32bit"] }, null],
    [{ entry32Bit: true, given: ["entry-32bit"] }, "bzImage"],
    [{ entry32Bit: true, dtb: "tree", given: ["entry-32bit", "dtb"] }, null],
    [{ dtb: "d", given: ["dtb"] }, "bzImage"],
    [{ dtb: "d", given: ["dtb"] }, null],
  ])("kexec_file_load cannot do %j of %s", (loader, type) => {
    const request = loadRequest({ type, loader: { ...NO_LOADER, ...loader } });
    const kernel = file("k", makeBzImage());
    const plan = buildFilePlan(request, machine("qemu-1g-bios"), kernel, () => ({
      kernel: { path: "k", fd: 3, size: BigInt(kernel.bytes.length) },
      initrd: null,
    }));
    expect(plan).toEqual({ notByFile: expect.stringContaining("kexec_file_load") });
  });

  test("an image cut at any offset is refused, never a crash", () => {
    const image = makeBzImage({ codeSize: 0x200 });
    // The header counts begun paragraphs of 16 bytes.
    for (let length = 0; length < image.length - 15; length += 1) {
      expect(refusal({ image: image.subarray(0, length) }).status).toBe(255);
    }
  });

  test.each([
    [15, true],
    [16, false],
  ])("a last paragraph that lacks %i bytes: whole is %p", (missing, whole) => {
    const image = makeBzImage();
    for (const type of ["bzImage64", "bzImage"]) {
      const plan = () =>
        planOf({ image: image.subarray(0, image.length - missing), request: { type } });
      if (whole) expect(segment(plan(), "kernel").bytes.length).toBe(0x1000 - missing);
      else expect(refusalText(plan).hint).toContain("cut short");
    }
  });

  test("255 bytes of command line for a kernel that does not say", () => {
    const commandLine = "x".repeat(255);
    expect(planOf({ image: { version: 0x0205 }, loader: { commandLine } }).commandLine).toBe(
      commandLine,
    );
  });

  test("real-mode code without a kernel behind it", () => {
    const image = makeBzImage({ codeSize: 0 });
    expect(refusal({ image }).hint).toContain("cut short");
    expect(refusal({ image, loader: { realMode: true, given: ["real-mode"] } }).hint).toContain(
      "cut short",
    );
  });

  test("an image with any header byte changed gives a plan or a refusal", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0x1f1, max: 0x26b }), fc.nat(255), (at, byte) => {
        const image = makeBzImage({ codeSize: 0x200 });
        image[at] = byte;
        const plan = orRefusal(() => planOf({ image }));
        if (!(plan instanceof KexecError)) expect(plan.segments.length).toBeGreaterThan(2);
      }),
      { numRuns: 1000 },
    );
  });
});
