import { describe, expect, test } from "bun:test";
import { overlaps, rangeOf } from "../../src/core/range.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";
import type { SegmentPlan } from "../../src/model/load-plan.ts";
import { buildSegmentPlan } from "../../src/plan/build-plan.ts";
import { withoutEfiMemory } from "../../src/plan/efi-memory.ts";
import { difference } from "../conformance/differences.ts";
import { makeBzImage } from "../images/make-bzimage.ts";
import { machine } from "./golden.ts";
import { file, pattern } from "./pieces.ts";
import { loadRequest, NO_FILES } from "./requests.ts";

const RUNTIME = 1n << 63n;
const uefi = machine("qemu-uefi");

/** The recorded facts with one more descriptor: boot services data. */
function withData(physAddr: bigint, numPages: bigint, attribute: bigint): HostFacts {
  const { efi } = uefi;
  if (efi === null) throw new Error("a machine without EFI");
  const data = { type: 4, physAddr, virtAddr: 0n, numPages, attribute };
  return { ...uefi, efi: { ...efi, runtimeMap: [...efi.runtimeMap, data] } };
}

function planOf(facts: HostFacts, noEfi = false): SegmentPlan {
  return buildSegmentPlan(loadRequest({ noEfi }), facts, {
    ...NO_FILES,
    kernel: file("/boot/vmlinuz", makeBzImage()),
    initrd: file("/boot/initrd", pattern(0x12345)),
  });
}

describe(`${difference("efi-data").id}: EFI's data for the next kernel`, () => {
  const before = planOf(uefi);
  const initrd = before.segments.find(({ role }) => role === "initrd");
  if (initrd === undefined) throw new Error("no initrd");
  const page = { start: initrd.start, end: initrd.start + 4096n };
  const touches = ({ segments }: SegmentPlan) => segments.some((s) => overlaps(rangeOf(s), page));

  test("no segment lies in it", () => {
    expect(touches(before)).toBe(true);
    expect(touches(planOf(withData(page.start, 1n, RUNTIME | 0xfn)))).toBe(false);
  });

  test("memory without EFI_MEMORY_RUNTIME is free, and all RAM is free with --noefi", () => {
    expect(touches(planOf(withData(page.start, 1n, 0xfn)))).toBe(true);
    expect(touches(planOf(withData(page.start, 1n, RUNTIME | 0xfn), true))).toBe(true);
  });

  test("the note has its size, which counts RAM only", () => {
    const ram = [{ start: 0x100000n, end: 0x200000n }];
    const { free, notes } = withoutEfiMemory(ram, withData(0x1ff000n, 4n, RUNTIME));
    expect(free).toEqual([{ start: 0x100000n, end: 0x1ff000n }]);
    expect(notes).toEqual(["4 KiB of RAM hold EFI data for the next kernel and get no segments"]);
    expect(withoutEfiMemory(ram, uefi)).toEqual({ free: ram, notes: [] });
    expect(withoutEfiMemory(ram, { ...uefi, efi: null })).toEqual({ free: ram, notes: [] });
  });
});
