/** Facts that no machine of their architecture has, and those at the ends of what it has. */

import { expect, test } from "bun:test";
import type { ErrorCode } from "../../src/core/error-code.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";
import type { MemoryRange } from "../../src/model/memory.ts";
import { buildFilePlan, buildSegmentPlan } from "../../src/plan/build-plan.ts";
import { makeBzImage } from "../images/make-bzimage.ts";
import { makeElf } from "../images/make-elf.ts";
import { multiboot2Header, multibootHeader } from "../images/make-multiboot.ts";
import { refusal } from "../kexec-error.ts";
import { machine } from "./golden.ts";
import { file, pattern, segment } from "./pieces.ts";
import { loadRequest, NO_FILES } from "./requests.ts";

const FACTS = machine("qemu-1g-bios");
const KERNEL = file("/boot/vmlinuz", makeBzImage());
const files = () => ({ kernel: { path: "k", fd: 3, size: 1n }, initrd: null });

function withMemory(...more: readonly MemoryRange[]): HostFacts {
  const ranges = [...(FACTS.memoryMap?.ranges ?? []), ...more];
  return { ...FACTS, systemRam: null, memoryMap: { source: "iomem", ranges } };
}

test.each<[string, HostFacts, ErrorCode]>([
  ["pages of 512 bytes", { ...FACTS, pageSize: 512 }, "facts.page-size"],
  ["pages of 64 KiB", { ...FACTS, pageSize: 65536 }, "facts.page-size"],
  [
    "RAM beyond 52 bits",
    withMemory({ start: 1n << 51n, end: (1n << 52n) + 1n, type: "ram" }),
    "facts.memory-map",
  ],
  [
    "a crash region beyond 52 bits",
    { ...FACTS, crashRegions: [{ start: 1n << 52n, end: (1n << 52n) + 4096n }] },
    "facts.memory-map",
  ],
])("%s: refused by both kinds of plan", (_, facts, code) => {
  const request = loadRequest();
  expect(refusal(() => buildFilePlan(request, facts, KERNEL, files)).code).toBe(code);
  const inputs = { ...NO_FILES, kernel: KERNEL };
  expect(refusal(() => buildSegmentPlan(request, facts, inputs)).code).toBe(code);
});

test("RAM up to the last address that there is, and other memory beyond", () => {
  const facts = withMemory(
    { start: 1n << 51n, end: 1n << 52n, type: "ram" },
    { start: 1n << 52n, end: 1n << 64n, type: "reserved" },
  );
  const plan = buildSegmentPlan(loadRequest(), facts, { ...NO_FILES, kernel: KERNEL });
  const { start, size } = segment(plan, "purgatory");
  expect(start + size).toBe(1n << 52n);
});

test.each([
  ["multiboot", multibootHeader(3)],
  ["multiboot2", multiboot2Header([])],
])("a range of all addresses, which no entry of %s can name", (_, header) => {
  const bytes = pattern(0x800);
  bytes.set(header, 4);
  const kernel = file("k", makeElf({ bits: 32, parts: [{ physical: 0x200000n, bytes }] }));
  const facts = withMemory({ start: 0n, end: 1n << 64n, type: "reserved" });
  const plan = () => buildSegmentPlan(loadRequest(), facts, { ...NO_FILES, kernel });
  expect(refusal(plan).code).toBe("plan.memory-map");
});
