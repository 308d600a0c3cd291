/** What each purpose answers to planning, side by side. */

import { describe, expect, test } from "bun:test";
import { x86_64 } from "../../../src/arch/x86-64/index.ts";
import { ADDRESS_END, MIB } from "../../../src/core/address.ts";
import type { KexecError } from "../../../src/core/error.ts";
import { normalize, type Range, rangeOf, rangeSize } from "../../../src/core/range.ts";
import type { ArchCrashRules, CrashHandoff } from "../../../src/model/arch.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import type { Segment } from "../../../src/model/load-plan.ts";
import { IMAGE_PURPOSES, type ImagePurpose } from "../../../src/model/purpose.ts";
import { purposeOf } from "../../../src/plan/purpose/index.ts";
import { refusal } from "../../kexec-error.ts";
import { machine } from "../golden.ts";
import { putAt } from "../pieces.ts";
import { loadRequest } from "../requests.ts";

const RECORDED = machine("qemu-2g-vesa-edd-crash");
const MAX = 0x1fffffffn;
/** The running kernel lies above MAX, as one that is to be preserved must. */
const FACTS: HostFacts = {
  ...RECORDED,
  segmentRules: { ...RECORDED.segmentRules, guestOwned: [{ start: 16n * MIB, end: 32n * MIB }] },
  crash: RECORDED.crash && {
    ...RECORDED.crash,
    vmcoreinfo: { start: 0x60001000n, end: 0x60002024n },
  },
};
const USED = FACTS.crashRegions.at(-1) ?? { start: 0n, end: 0n };
const RAM: Range[] = normalize(
  (FACTS.memoryMap?.ranges ?? []).filter(({ type }) => type === "ram"),
);
const BELOW_MAX: Range[] = RAM.filter(({ start }) => start <= MAX).map(({ start, end }) => ({
  start,
  end: end > MAX ? MAX + 1n : end,
}));
const NO_LOADED = { total: 0n, initrd: 0n };

const requestOf = (purpose: ImagePurpose) =>
  loadRequest({ purpose, memMax: purpose === "preserve-context" ? MAX : ADDRESS_END - 1n });
const segmentsOf = (name: ImagePurpose, facts = FACTS) =>
  purposeOf(name).forSegments(requestOf(name), facts);
const filesOf = (name: ImagePurpose, facts = FACTS) =>
  purposeOf(name).forFiles(requestOf(name), facts, x86_64);

/** What the purpose plans, with addresses from 64 MiB up, and what it asked of the architecture. */
function planned(name: ImagePurpose, rules: Partial<ArchCrashRules> = {}) {
  let next = 64n * MIB;
  const handoffs: CrashHandoff[] = [];
  const crash: ArchCrashRules = {
    ...x86_64.crash,
    ...rules,
    parameters(handoff) {
      handoffs.push(handoff);
      return x86_64.crash.parameters(handoff);
    },
  };
  const put = putAt((size) => {
    next += size;
    return next - size;
  });
  const inputs = { arch: { ...x86_64, crash }, takesEfi: false, put };
  return { plan: segmentsOf(name).planForPurpose(inputs), handoff: handoffs[0] };
}

test("the table has every purpose under its own name", () => {
  expect(IMAGE_PURPOSES.map((name) => purposeOf(name).name)).toEqual([...IMAGE_PURPOSES]);
});

test.each<[ImagePurpose, boolean, boolean, boolean, string[]]>([
  ["normal", false, true, false, []],
  ["live-update", false, false, false, []],
  ["crash", true, false, false, ["crashkernel"]],
  ["preserve-context", false, false, true, []],
])("%s: its traits", (name, capture, ownsMachine, jumpsBack, notReused) => {
  expect(purposeOf(name)).toMatchObject({ capture, ownsMachine, jumpsBack, notReused });
});

describe("destinations", () => {
  test.each<[ImagePurpose, Range[]]>([
    ["normal", RAM],
    ["live-update", RAM],
    ["crash", [USED]],
    ["preserve-context", BELOW_MAX],
  ])("%s", (name, want) => {
    expect(segmentsOf(name).destinations).toEqual(want);
  });

  test("--mem-min and --mem-max cut the crash region", () => {
    const memMin = USED.start + MIB;
    const memMax = USED.end - MIB - 1n;
    const { destinations } = purposeOf("crash").forSegments(
      loadRequest({ purpose: "crash", memMin, memMax }),
      FACTS,
    );
    expect(destinations).toEqual([{ start: memMin, end: memMax + 1n }]);
  });

  test.each<[ImagePurpose, Partial<HostFacts>, KexecError["code"]]>([
    ["normal", { memoryMap: null }, "facts.memory-map"],
    ["live-update", { memoryMap: null }, "facts.memory-map"],
    ["preserve-context", { memoryMap: null }, "facts.memory-map"],
    ["crash", { crashRegions: [] }, "plan.no-crash-region"],
  ])("%s: refused where the machine has none", (name, without, code) => {
    expect(refusal(() => segmentsOf(name, { ...FACTS, ...without })).code).toBe(code);
  });

  test.each<[ImagePurpose, string]>([
    ["normal", "usable RAM"],
    ["live-update", "usable RAM"],
    ["crash", "the crash region [0x"],
    ["preserve-context", "usable RAM"],
  ])("%s: their name in an error", (name, start) => {
    expect(purposeOf(name).destinationName([USED])).toStartWith(start);
  });
});

test.each<[ImagePurpose, boolean, RegExp]>([
  ["normal", true, /^$/],
  ["live-update", true, /^$/],
  [
    "crash",
    false,
    /^All segments of a crash kernel must lie in the .* that crashkernel= reserved at 0x/,
  ],
  ["preserve-context", true, /^$/],
])("%s: the placer's settings", (name, prefers, remark) => {
  const { placer } = segmentsOf(name);
  expect(placer.preferred).toEqual(prefers ? FACTS.segmentRules.guestOwned : null);
  expect(placer.remark).toMatch(remark);
});

describe("planned besides the image", () => {
  test.each<ImagePurpose>(["normal", "live-update"])("%s: no more than the memory map", (name) => {
    expect(planned(name)).toEqual({
      plan: {
        segments: [],
        backup: null,
        memory: FACTS.memoryMap?.ranges ?? [],
        parameters: [],
        hotplug: false,
        notes: [],
      },
      handoff: undefined,
    });
  });

  test("crash: backup and core header, whose address the architecture passes on", () => {
    const { plan, handoff } = planned("crash");
    const [backup, header] = plan.segments;
    expect(plan.segments.map(({ role }) => role)).toEqual(["backup", "elfcorehdr"]);
    expect(plan.backup?.destination).toBe(backup?.start ?? -1n);
    expect(handoff).toMatchObject({
      elfcorehdr: header?.start ?? -1n,
      usable: [plan.backup?.source ?? USED, ...FACTS.crashRegions],
      memory: plan.memory,
      memoryByCommandLine: false,
      efi: false,
      acpiRsdp: FACTS.acpiRsdp,
    });
    expect(plan.parameters).toContain(`elfcorehdr=${(header?.start ?? 0n) / 1024n}K`);
    expect(plan.notes[0]).toMatch(/^the crash kernel gets .*, and \[0x/);
  });

  test("crash: no backup where the architecture's crash kernels use no low memory", () => {
    const { plan, handoff } = planned("crash", { lowMemoryEnd: null });
    expect(plan.segments.map(({ role }) => role)).toEqual(["elfcorehdr"]);
    expect(plan.backup).toBeNull();
    expect(handoff?.usable).toEqual(FACTS.crashRegions);
    expect(plan.notes[0]).not.toContain(", and");
  });

  test("preserve-context: a core header, and no RAM in the running kernel's memory", () => {
    const { plan, handoff } = planned("preserve-context");
    expect(plan.segments.map(({ role }) => role)).toEqual(["elfcorehdr"]);
    expect(plan.backup).toBeNull();
    expect(handoff?.elfcorehdr).toBe(plan.segments[0]?.start ?? -1n);
    expect((handoff?.usable ?? []).every(({ end }) => end <= MAX + 1n)).toBe(true);
    const above = plan.memory.filter(({ start, type }) => start > MAX && type === "ram");
    expect(above).toEqual([]);
  });
});

describe("segments that are added at the end", () => {
  const loaded: Segment = {
    role: "kernel",
    start: 16n * MIB,
    size: MIB,
    bytes: new Uint8Array(1),
    digest: null,
    reason: "",
  };

  test.each<ImagePurpose>(["normal", "live-update", "crash"])("%s: none", (name) => {
    expect(segmentsOf(name).preservedSegments([loaded])).toEqual([]);
  });

  test("preserve-context: all whole pages of the destinations that no segment covers", () => {
    const added = segmentsOf("preserve-context").preservedSegments([loaded]);
    const all = normalize([loaded, ...added].map(rangeOf));
    const pages = BELOW_MAX.map((r) => ({
      start: (r.start + 0xfffn) & ~0xfffn,
      end: r.end & ~0xfffn,
    }));
    expect(all).toEqual(normalize(pages));
    expect(added.every(({ role, bytes }) => role === "preserved" && bytes.length === 0)).toBe(true);
  });
});

describe("for kexec_file_load", () => {
  test.each<[ImagePurpose, string | null, number, number]>([
    ["normal", null, 0, 0],
    ["live-update", null, 0, 0],
    ["crash", null, 30, 1],
    ["preserve-context", "kexec_file_load does not support --load-preserve-context", 0, 0],
  ])("%s: refusal, length of the kernel's parameter, notes", (name, reason, added, notes) => {
    const found = filesOf(name);
    expect(found.refusal).toBe(reason);
    expect(found.addedByKernel).toBe(added);
    expect(found.notes).toHaveLength(notes);
  });

  test("crash: refused where no memory is reserved", () => {
    const error = refusal(() => filesOf("crash", { ...FACTS, crashRegions: [] }));
    expect(error.code).toBe("plan.no-crash-region");
  });
});

test.each<[ImagePurpose, boolean]>([
  ["normal", false],
  ["live-update", false],
  ["crash", true],
  ["preserve-context", false],
])("%s: whether there is a warning about a crash region that is too small", (name, warns) => {
  const full = { total: rangeSize(USED), initrd: 0n };
  for (const one of [segmentsOf(name), filesOf(name)]) {
    expect(one.warnings(full, null).join()).toMatch(warns ? /^the crash region is too/ : /^$/);
    expect(one.warnings(NO_LOADED, null)).toEqual([]);
  }
});

test.each<[ImagePurpose, Range[], Range[]]>([
  ["normal", RAM, []],
  ["live-update", RAM, []],
  ["crash", FACTS.crashRegions.slice(), RAM],
  ["preserve-context", RAM, []],
])("%s: the memory that a picture shows as free and as dumped", (name, free, dumpedIn) => {
  const pieces = purposeOf(name).memoryPieces(FACTS);
  const of = (what: string) => normalize(pieces.filter((piece) => piece.what === what));
  expect(of("free")).toEqual(free);
  expect(normalize([...of("dumped"), ...of("free")])).toEqual(
    dumpedIn.length > 0 ? dumpedIn : free,
  );
  expect(pieces.some(({ what }) => what === "reserved")).toBe(true);
});
