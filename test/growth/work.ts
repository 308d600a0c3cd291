/**
 * Everything that a load does with what a machine may have many of: memory ranges, CPUs, EFI's
 * descriptors. growth.test.ts runs this file under bun's coverage, with two counts.
 */

import { afterAll, expect, test } from "bun:test";
import { KexecError } from "../../src/core/error.ts";
import { readFacts } from "../../src/edge/linux/read-facts.ts";
import { xenMemoryMap } from "../../src/edge/xen/memory-map.ts";
import { factsFromJson, factsToJson } from "../../src/facts/facts-file.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";
import type { LoadRequest } from "../../src/model/request.ts";
import { buildFilePlan, buildSegmentPlan } from "../../src/plan/build-plan.ts";
import { describePlan, planToJson } from "../../src/plan/describe-plan.ts";
import { diagnose, diagnosisText } from "../../src/plan/diagnosis.ts";
import { fakeRoot, LINUX, quiet, removeFakeRoots } from "../edge/linux/fake-machine.ts";
import { e820Entries } from "../facts/e820-entries.ts";
import { makeBzImage } from "../images/make-bzimage.ts";
import { makeElf } from "../images/make-elf.ts";
import { multiboot2Header, multibootHeader } from "../images/make-multiboot.ts";
import { file, pattern } from "../plan/pieces.ts";
import { loadRequest, NO_FILES } from "../plan/requests.ts";
import { machineOf, rangesOf, treeOf, xenMachineOf } from "./machine-of.ts";

afterAll(removeFakeRoots);

const COUNT = Number(process.env.GROWTH_COUNT);

const INPUTS = {
  ...NO_FILES,
  kernel: file("/boot/vmlinuz", makeBzImage()),
  initrd: file("/boot/initrd", pattern(0x12345)),
};

function planAndShow(facts: HostFacts, changes: Partial<LoadRequest> = {}): string {
  const plan = buildSegmentPlan(loadRequest(changes), facts, INPUTS);
  return `${describePlan(plan, facts).join("\n")}${JSON.stringify(planToJson(plan))}`;
}

test("-l and -p, their texts and JSON", () => {
  const facts = machineOf(COUNT);
  expect(planAndShow(facts).length).toBeGreaterThan(40 * COUNT);
  expect(planAndShow(facts, { purpose: "crash" }).length).toBeGreaterThan(40 * COUNT);
  const files = { kernel: { path: "k", fd: 3, size: 1n }, initrd: null };
  for (const purpose of ["normal", "crash"] as const) {
    const request = loadRequest({ purpose, method: "file" });
    expect(buildFilePlan(request, facts, INPUTS.kernel, () => files)).toHaveProperty("kind");
  }
});

test("-l and -p under Xen", () => {
  const facts = xenMachineOf(COUNT);
  expect(planAndShow(facts).length).toBeGreaterThan(40 * COUNT);
  expect(planAndShow(facts, { purpose: "crash" }).length).toBeGreaterThan(40 * COUNT);
});

test("--load-preserve-context, whose segments are too many then", () => {
  const request = loadRequest({ purpose: "preserve-context" });
  expect(() => buildSegmentPlan(request, machineOf(COUNT), INPUTS)).toThrow(KexecError);
});

test("--doctor", () => {
  const host = { name: "linux", evidence: [], probes: [], loaded: null, crashLoaded: null };
  const lines = diagnosisText(diagnose(machineOf(COUNT), host));
  expect(lines.join("\n")).toContain("memory map");
});

test("--save-facts and --facts", () => {
  const facts = { ...machineOf(COUNT), rngSeed: null };
  expect(Bun.deepEquals(factsFromJson(factsToJson(facts)), facts, true)).toBe(true);
});

test.each([
  ["multiboot", multibootHeader(3)],
  ["multiboot2", multiboot2Header([])],
])("-l of a %s image", (_, header) => {
  const bytes = pattern(0x800);
  bytes.set(header, 4);
  const kernel = file("/boot/xen", makeElf({ bits: 32, parts: [{ physical: 0x200000n, bytes }] }));
  const plan = buildSegmentPlan(loadRequest(), machineOf(COUNT), { ...NO_FILES, kernel });
  expect(plan.segments.map(({ role }) => role)).toContain("multiboot-info");
});

test("the facts of a Linux machine", () => {
  // Each of them is many files.
  const count = COUNT / 8;
  const root = fakeRoot(LINUX, treeOf(count));
  const { memoryMap, systemRam, crash, efi } = readFacts({ ...quiet, root, crash: true });
  const counts = [memoryMap?.ranges, systemRam, crash?.memory, crash?.cpuNotes, efi?.runtimeMap];
  for (const list of counts) expect(list?.length).toBeGreaterThanOrEqual(count / 2);
});

test("the memory map of Xen", () => {
  const rows = rangesOf(COUNT).map(({ start, end }) => [start, end - start, 1] as const);
  expect(xenMemoryMap(e820Entries(rows))).toHaveLength(COUNT);
});
