import { describe, expect, test } from "bun:test";
import { nbiX86 } from "../../../../src/arch/x86-64/image/nbi-x86.ts";
import { KexecError } from "../../../../src/core/error.ts";
import type { HostFacts } from "../../../../src/model/host-facts.ts";
import type { SegmentPlan } from "../../../../src/model/load-plan.ts";
import { buildFilePlan, buildSegmentPlan } from "../../../../src/plan/build-plan.ts";
import { makeNbi, type NbiParts, type NbiRecord } from "../../../images/make-nbi.ts";
import { orRefusal, refusalText } from "../../../kexec-error.ts";
import { machine } from "../../../plan/golden.ts";
import { entryOf, file, pattern, segment } from "../../../plan/pieces.ts";
import { loadRequest, NO_FILES, NO_LOADER } from "../../../plan/requests.ts";

const BIOS = machine("qemu-1g-bios");
const CODE = pattern(0x300);
const SMALL: NbiParts = { entry: 0x07e0_0004, records: [{ address: 0x7e00, bytes: CODE }] };

function planOf(image: Uint8Array, facts: HostFacts = BIOS): SegmentPlan {
  const kernel = file("/boot/image.nb", image);
  return buildSegmentPlan(loadRequest(), facts, { ...NO_FILES, kernel });
}

const refusal = (image: Uint8Array, facts = BIOS) => refusalText(() => planOf(image, facts));
const records = (...list: readonly NbiRecord[]): Uint8Array => makeNbi({ ...SMALL, records: list });

describe("a network boot image", () => {
  test("head and pieces lie where it says, in whole pages", () => {
    const image = makeNbi(SMALL);
    const plan = planOf(image);
    expect(plan.imageType).toBe("nbi-x86");
    expect(plan.commandLine).toBeNull();
    const { start, size, bytes } = segment(plan, "kernel");
    expect([start, size]).toEqual([0x7000n, 0x2000n]);
    expect(bytes.subarray(0xc00, 0xe00)).toEqual(image.subarray(0, 512));
    expect(bytes.subarray(0xe00)).toEqual(CODE);
    expect(bytes.subarray(0, 0xc00).every((byte) => byte === 0)).toBe(true);
  });

  test("is entered in real mode, interrupts on, with a far return address and two pointers", () => {
    const plan = planOf(makeNbi(SMALL));
    const { start, bytes } = segment(plan, "real-mode");
    const { entry_mode, rip, rsp, cs, ss, flags_16 } = entryOf(plan);
    expect({ entry_mode, rip, cs, flags_16 }).toEqual({
      ...{ entry_mode: 2, rip: 4n },
      ...{ cs: 0x7e0, flags_16: 0x202 },
    });
    expect(BigInt(ss * 16)).toBe(start);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const words = [0, 2, 4, 6, 8, 10].map((at) => view.getUint16(Number(rsp) + at, true));
    // Where it returns to: cli, hlt, and back again.
    expect(words.slice(0, 2)).toEqual([0, ss]);
    expect([...bytes.subarray(0, 4)]).toEqual([0xfa, 0xf4, 0xeb, 0xfc]);
    expect(words.slice(2)).toEqual([0, 0x7c0, 0x200, ss]);
  });

  test("is entered in 32-bit mode at a linear address, with three pointers", () => {
    const image = makeNbi({
      entry: 0x10_0008,
      flags: 0x8000_0000,
      records: [{ address: 0x10_0000, bytes: CODE, memory: 0x5000 }],
    });
    const plan = planOf(image, machine("qemu-uefi"));
    const { entry_mode, rip, rsp } = entryOf(plan);
    expect({ entry_mode, rip }).toEqual({ entry_mode: 1, rip: 0x10_0008n });
    const { start, bytes } = segment(plan, "real-mode");
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const at = Number(rsp - start);
    const words = [0, 4, 8, 12].map((offset) => view.getUint32(at + offset, true));
    const base = Number(start);
    expect(words).toEqual([base, base + 0x10, 0x7c00, base + 0x200]);
  });

  test("addresses count from zero, the last piece's end and start, and memory's end", () => {
    const plan = planOf(
      records(
        { address: 0x7e00, bytes: CODE },
        { address: 0x20_0000, bytes: pattern(0x10), memory: 0x2000 },
        { from: 1, address: 0x1000, bytes: pattern(0x20) },
        { from: 3, address: 0x10_0000, bytes: pattern(0x30) },
        { from: 2, address: 0x4000, bytes: pattern(0x40), memory: 0x4000 },
      ),
    );
    const kernels = plan.segments.filter(({ role }) => role === "kernel");
    expect(kernels.map(({ start, size, bytes }) => [start, size, bytes.length])).toEqual([
      [0x7000n, 0x2000n, 0x1100],
      [0x10_3000n, 0x1000n, 0x30],
      [0x20_0000n, 0x2000n, 0x10],
      [0x20_3000n, 0x1000n, 0x20],
      [0x3ffd_c000n, 0x4000n, 0x40],
    ]);
  });

  test("the zeros of one piece do not take another's bytes, and later bytes count", () => {
    const first = pattern(0x10).fill(1);
    const plan = planOf(
      records(
        { address: 0x7e00, bytes: CODE },
        { address: 0x20_0010, bytes: first },
        { address: 0x20_0000, bytes: first.slice(0, 8).fill(2), memory: 0x100 },
        { address: 0x20_0018, bytes: first.slice(0, 4).fill(3) },
        { address: 0x30_0000, bytes: new Uint8Array(0), memory: 0x800_0000 },
      ),
    );
    const at = plan.segments.find(({ start }) => start === 0x20_0000n);
    const wanted = [...Array(8).fill(2), ...Array(8).fill(0), ...Array(8).fill(1)];
    expect([...(at?.bytes ?? [])]).toEqual([...wanted, ...Array(4).fill(3), ...Array(4).fill(1)]);
    const empty = plan.segments.find(({ start }) => start === 0x30_0000n);
    expect(empty).toMatchObject({ size: 0x800_0000n, bytes: new Uint8Array(0) });
  });
});

describe("refusals", () => {
  test.each<[string, Uint8Array, string]>([
    ["one that returns", makeNbi({ ...SMALL, flags: 0x100 }), "returns to its loader"],
    ["reserved bits", makeNbi({ ...SMALL, flags: 0x400 }), "bits 0x400 at offset 4"],
    ["an entry elsewhere", makeNbi({ ...SMALL, entry: 0x9000_0000 }), "entry point 0x90000"],
    ["a file cut short", makeNbi(SMALL).subarray(0, 0x300), "cut short"],
    ["less than a head", makeNbi(SMALL).subarray(0, 511), "cut short"],
    [
      "an address below zero",
      records({ address: 0x7e00, bytes: CODE }, { from: 3, address: 0x8000, bytes: CODE }),
      "outside the first 4 GiB",
    ],
    [
      "too many records",
      records(...Array.from({ length: 32 }, () => ({ address: 0x7e00, bytes: CODE }))),
      "no record in the first 512 bytes is marked as the last",
    ],
  ])("%s", (_, image, words) => {
    const { status, message, hint } = refusal(image);
    expect([status, message]).toEqual([255, "Cannot load /boot/image.nb"]);
    expect(hint).toContain(words);
  });

  test("memory that is not free", () => {
    const { status, message, hint } = refusal(
      records({ address: 0x7e00, bytes: CODE }, { address: 0xa_0000, bytes: CODE }),
    );
    expect([status, message]).toEqual([1, "Invalid memory segment 0x7000 - 0x8fff"]);
    expect(hint).toContain("as its records say");
  });

  test("real mode without a BIOS", () => {
    expect(refusal(makeNbi(SMALL), machine("qemu-uefi")).hint).toContain("calls the BIOS");
  });

  test("options, which it has none of", () => {
    const loader = { ...NO_LOADER, commandLine: "x", given: ["append"] };
    const kernel = file("/boot/image.nb", makeNbi(SMALL));
    const make = () => buildSegmentPlan(loadRequest({ loader }), BIOS, { ...NO_FILES, kernel });
    expect(refusalText(make).hint).toContain(
      "does not accept --append\nIt accepts no loader options.",
    );
  });

  test("kexec_file_load", () => {
    const kernel = file("k", makeNbi(SMALL));
    const files = { kernel: { path: "k", fd: 3, size: 1n }, initrd: null };
    const plan = buildFilePlan(loadRequest(), BIOS, kernel, () => files);
    expect(plan).toEqual({ notByFile: expect.stringContaining("kexec_file_load") });
  });

  test("other files are none", () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(3), pattern(600)]) {
      expect(nbiX86.parse(bytes, NO_LOADER)).toEqual({
        match: false,
        why: "no NBI magic 0x1b031336 at offset 0",
      });
    }
  });
});

describe("a broken file", () => {
  const image = records({ address: 0x7e00, bytes: CODE }, { from: 1, address: 0, bytes: CODE });
  const tryOne = (bytes: Uint8Array): number => {
    const plan = orRefusal(() => planOf(bytes));
    return plan instanceof KexecError ? 0 : plan.segments.length;
  };

  test("cut anywhere is refused", () => {
    for (let length = 0; length < image.length; length += 1) {
      expect(tryOne(image.slice(0, length))).toBe(0);
    }
    expect(tryOne(image)).toBe(3);
  });

  test("with a byte of its head changed gives a plan or a refusal", () => {
    for (let at = 0; at < 0x40; at += 1) {
      for (const value of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
        const changed = image.slice();
        changed[at] = value;
        expect(tryOne(changed)).toBeGreaterThanOrEqual(0);
      }
    }
  });
});
