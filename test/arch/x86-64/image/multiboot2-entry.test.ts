/** Where a multiboot2 image says that it is entered, and which files are none. */

import { expect, test } from "bun:test";
import type { SegmentPlan } from "../../../../src/model/load-plan.ts";
import type { LoadRequest } from "../../../../src/model/request.ts";
import { buildSegmentPlan } from "../../../../src/plan/build-plan.ts";
import { makeBzImage } from "../../../images/make-bzimage.ts";
import { makeElf } from "../../../images/make-elf.ts";
import { multiboot2Header } from "../../../images/make-multiboot.ts";
import { refusal } from "../../../kexec-error.ts";
import { machine } from "../../../plan/golden.ts";
import { entryOf, file, pattern, segment } from "../../../plan/pieces.ts";
import { loadRequest, NO_FILES, NO_LOADER } from "../../../plan/requests.ts";

const FACTS = machine("qemu-6g-bios");

/** An image with `header` at a multiple of 8, for physical address 2 MiB. */
function elfWith(header: Uint8Array): Uint8Array {
  const bytes = pattern(0x800);
  bytes.set(header, 4);
  return makeElf({ bits: 32, parts: [{ physical: 0x200000n, bytes, memorySize: 0x3000n }] });
}

function planOf(image: Uint8Array, request: Partial<LoadRequest> = {}): SegmentPlan {
  const loader = { ...NO_LOADER, commandLine: "console=com1" };
  const kernel = file("/boot/xen", image);
  return buildSegmentPlan(loadRequest({ loader, ...request }), FACTS, { ...NO_FILES, kernel });
}

/** Where the code that copies ACPI's root pointer jumps at its end: b9 ENTRY ff e1. */
function imageEntryOf(plan: SegmentPlan): number {
  const { bytes, start } = segment(plan, "multiboot-info");
  expect(entryOf(plan).rip).toBeGreaterThan(start);
  return new DataView(bytes.slice(-6, -2).buffer).getUint32(0, true);
}

test("an entry tag counts instead of the ELF header's entry", () => {
  expect(imageEntryOf(planOf(elfWith(multiboot2Header([[3, 0, 0x200040]]))))).toBe(0x200040);
});

test.each([0, 0xffffffff, 0x1fffff, 0x201000])(
  "an entry tag that names %p, where nothing of the file is: refused",
  (entry) => {
    const relocatable = [10, 0, 0x100000, 0xfffffff, 0x200000, 0] as const;
    for (const tags of [[], [relocatable]]) {
      const got = refusal(() => planOf(elfWith(multiboot2Header([...tags, [3, 0, entry]]))));
      expect(got.message).toBe("Cannot load /boot/xen");
      expect(got.hint).toContain("the entry point 0x");
    }
  },
);

test.each<[string, Parameters<typeof multiboot2Header>[0]]>([
  ["no address tag", []],
  ["an address tag and no entry tag", [[2, 0, 0x400000, 0x400000, 0x401000, 0x405000]]],
  ["a tag that demands what is not known", [[77, 0, 1, 2]]],
])("another type takes a file that is no ELF, with %s in its header", (_, tags) => {
  const image = makeBzImage();
  image.set(multiboot2Header(tags), 0x400 + 0x300);
  const request = { loader: { ...NO_LOADER, commandLine: "quiet" } };
  expect(planOf(image, request).imageType).toBe("bzImage64");
  const got = refusal(() => planOf(image, { type: "multiboot2-x86" }));
  expect(got.message).toBe("Wrong file type multiboot2-x86, file matches type bzImage64");
});
