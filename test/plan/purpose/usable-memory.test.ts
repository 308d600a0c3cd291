import { describe, expect, test } from "bun:test";
import { range } from "../../../src/core/range.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import type { SegmentPlan } from "../../../src/model/load-plan.ts";
import { buildSegmentPlan } from "../../../src/plan/build-plan.ts";
import { describePlan } from "../../../src/plan/describe-plan.ts";
import { diagnose } from "../../../src/plan/diagnosis.ts";
import { freeRam } from "../../../src/plan/purpose/usable-memory.ts";
import { makeBzImage } from "../../images/make-bzimage.ts";
import { refusal } from "../../kexec-error.ts";
import { machine } from "../golden.ts";
import { file, segment } from "../pieces.ts";
import { loadRequest, NO_FILES } from "../requests.ts";

const FACTS = machine("qemu-1g-bios");
const KEPT = range(0x3c000000n, 0x3ffe0000n);
/** The highest 64 MiB that the firmware calls RAM are something else for the running kernel. */
const KEEPING: HostFacts = {
  ...FACTS,
  systemRam: [range(0x1000n, 0x9fc00n), range(0x100000n, KEPT.start)],
};

const planOf = (facts: HostFacts, changes = {}): SegmentPlan =>
  buildSegmentPlan(loadRequest(changes), facts, {
    ...NO_FILES,
    kernel: file("/boot/vmlinuz", makeBzImage()),
  });

test("no segment lies in RAM that the running kernel does not call System RAM", () => {
  const plan = planOf(KEEPING);
  expect(plan.segments.filter(({ start, size }) => start + size > KEPT.start)).toEqual([]);
  expect(plan.notes.join("\n")).toContain(
    "63.9 MiB of the firmware's RAM get no segments: they are not System RAM of the running",
  );
  expect(describePlan(plan, KEEPING).join("\n")).toMatch(/0x3c000000 +\| +\| +kept +63.9 MiB/);
});

test("the memory map that is passed on is the firmware's all the same", () => {
  const bytes = ({ segments }: SegmentPlan) =>
    segments.find(({ role }) => role === "boot-params")?.bytes.subarray(0x2d0, 0xcd0);
  expect(bytes(planOf(KEEPING))).toEqual(bytes(planOf(FACTS)));
});

test("what must lie there finds no room", () => {
  const error = refusal(() => planOf(KEEPING, { memMin: KEPT.start }));
  expect(error.code).toBe("plan.no-room");
});

describe("free RAM", () => {
  test("is the firmware's and the running kernel's at once", () => {
    const systemRam = [range(0x2000n, 0x3000n), range(0x200000n, 1n << 40n)];
    expect(freeRam({ ...FACTS, systemRam })).toEqual([
      range(0x400n, 0x1000n),
      range(0x2000n, 0x3000n),
      range(0x200000n, 0x3ffe0000n),
    ]);
  });

  test("is the firmware's where nothing else is known, and a note says so", () => {
    const facts = { ...FACTS, systemRam: null };
    expect(freeRam(facts)).toEqual([range(0x400n, 0x9fc00n), range(0x100000n, 0x3ffe0000n)]);
    expect(planOf(facts).notes.join("\n")).toContain("cannot be read");
    expect(planOf(FACTS).notes.join("\n")).not.toContain("cannot be read");
  });

  test("is Xen's under Xen, and no note asks for dom0's", () => {
    const facts = machine("qemu-2g-xen");
    expect(planOf(facts).notes.join("\n")).not.toContain("System RAM");
  });

  test("is what --doctor counts", () => {
    const host = { name: "Linux", evidence: [], probes: [], loaded: null, crashLoaded: null };
    const found = diagnose(KEEPING, host).findings.find(({ subject }) => subject === "memory map");
    expect(found).toMatchObject({ verdict: "ok" });
    expect(found?.text).toContain("959 MiB at 0x100000");
    expect(found?.hint).toContain("63.9 MiB of the firmware's RAM get no segments");
  });
});

test("a preserved kernel gets no memory that no segment saves", () => {
  const kmem = range(0x20000000n, 0x21000000n);
  const crashed = machine("qemu-2g-vesa-edd-crash");
  const systemRam = [
    range(0x1000n, 0x9fc00n),
    range(0x100000n, kmem.start),
    range(kmem.end, 0x7ffe0000n),
  ];
  const changes = { purpose: "preserve-context" as const, memMax: 0x2fffffffn };
  const plan = planOf({ ...crashed, systemRam }, changes);
  const saved = plan.segments.filter(
    ({ start, size }) => start < kmem.end && start + size > kmem.start,
  );
  expect(saved).toEqual([]);
  const params = segment(plan, "boot-params").bytes;
  const view = new DataView(params.buffer, params.byteOffset);
  const ram = Array.from({ length: params[0x1e8] ?? 0 }, (_, i) => 0x2d0 + i * 20)
    .filter((at) => view.getUint32(at + 16, true) === 1)
    .map((at) => range(view.getBigUint64(at, true), view.getBigUint64(at + 8, true)));
  expect(ram.length).toBeGreaterThan(1);
  expect(
    ram.filter(({ start, end: size }) => start < kmem.end && start + size > kmem.start),
  ).toEqual([]);
});

describe("kexec handover (KHO)", () => {
  const scratch = [range(0x3d000000n, 0x3ffe0000n)];
  const kept = [range(0x3c800000n, 0x3c900000n)];
  const handing: HostFacts = { ...FACTS, kho: { scratch, kept } };
  const lies = ({ segments }: SegmentPlan) =>
    segments.filter(({ start, size }) =>
      [...scratch, ...kept].some((r) => start < r.end && start + size > r.start),
    );

  test("keeps segments out of its areas, which they lie in without it", () => {
    expect(lies(planOf(handing))).toEqual([]);
    expect(lies(planOf(FACTS))).not.toEqual([]);
  });

  test("is warned of, and a note says what is not known", () => {
    const plan = planOf(handing);
    expect(plan.warnings.join()).toContain("use kexec_file_load (-s)");
    expect(plan.notes.join("\n")).toContain("48.9 MiB of its scratch areas and of reserve_mem=");
    expect(plan.notes.join("\n")).toContain("no file lists");
    const blind = planOf({ ...FACTS, kho: { scratch: null, kept: [] } });
    expect(blind.notes.join("\n")).toContain("is debugfs mounted?");
    expect(blind.warnings).toEqual(plan.warnings);
    expect(planOf(FACTS).warnings).toEqual([]);
  });

  test("is no crash kernel's business", () => {
    const crashed = machine("qemu-2g-vesa-edd-crash");
    const plan = planOf({ ...crashed, kho: { scratch, kept } }, { purpose: "crash" });
    expect(plan.warnings.join()).not.toContain("KHO");
  });

  test("is said where nothing else has room", () => {
    const facts = { ...FACTS, kho: { scratch: [range(0x100000n, 0x3ffe0000n)], kept: [] } };
    expect(refusal(() => planOf(facts)).hint).toContain("kexec_file_load (-s) uses them");
  });

  test("is in --doctor's findings while it is on", () => {
    const host = { name: "Linux", evidence: [], probes: [], loaded: null, crashLoaded: null };
    const found = (facts: HostFacts) =>
      diagnose(facts, host).findings.find(({ subject }) => subject === "KHO");
    expect(found(FACTS)).toBeUndefined();
    expect(found(handing)?.text).toBe("kexec handover is on: 47.9 MiB of scratch areas");
    expect(found(handing)?.hint).toContain("Load with -s");
  });
});
