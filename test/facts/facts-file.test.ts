import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { factsFromJson, factsToJson } from "../../src/facts/facts-file.ts";
import { LINUX_SEGMENT_RULES } from "../../src/facts/linux-rules.ts";
import type { FactNote } from "../../src/model/fact-note.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";
import { refusal } from "../kexec-error.ts";
import { arbitraryFacts } from "./arbitrary-facts.ts";
import { survives } from "./damage.ts";

const MACHINES = `${import.meta.dir}/machines`;
const machine = (name: string): string => readFileSync(`${MACHINES}/${name}`, "latin1");
const UEFI = machine("qemu-uefi.json");

type Json = Record<string, unknown>;

/** The UEFI machine's JSON with a change made to it. */
function changed(change: (json: Json) => void): string {
  const json: Json = JSON.parse(UEFI);
  change(json);
  return JSON.stringify(json);
}

function at(json: unknown, ...path: (string | number)[]): Json {
  let value = json;
  for (const key of path) value = (value as Json)[key];
  return value as Json;
}

test("all facts but the RNG seed come back", () => {
  fc.assert(
    fc.property(arbitraryFacts, (facts) => {
      const expected: HostFacts = { ...facts, rngSeed: null };
      // Ten times as fast as toEqual; fast-check shows the facts that fail.
      expect(Bun.deepEquals(factsFromJson(factsToJson(facts)), expected, true)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("the text is ASCII lines, and the same each time", () => {
  fc.assert(
    fc.property(arbitraryFacts, (facts) => {
      const text = factsToJson(facts);
      expect(text).toMatch(/^\{\n[\n -~]*\n\}\n$/);
      expect(factsToJson(factsFromJson(text))).toBe(text);
    }),
  );
});

test("the RNG seed is not in the text", () => {
  const seed = new Uint8Array(32).fill(0xa5);
  const text = factsToJson({ ...factsFromJson(UEFI), rngSeed: seed });
  expect(text).toBe(UEFI);
  expect(text).not.toContain("rngSeed");
});

test("bytes that are no ASCII are escapes", () => {
  const text = factsToJson({ ...factsFromJson(UEFI), bootCommandLine: 'a\xe4\x7f\t"' });
  expect(text).toContain('"bootCommandLine": "a\\u00e4\\u007f\\t\\""');
});

test.each(readdirSync(MACHINES).filter((name) => name.endsWith(".json")))(
  "the recorded machine %s is read and written unchanged",
  (name) => {
    const text = machine(name);
    const facts = factsFromJson(text, name);
    expect(factsToJson(facts)).toBe(text);
    expect(facts.memoryMap?.ranges.some((r) => r.type === "ram")).toBe(true);
  },
);

test("the machines are what their names say", () => {
  const ranges = (name: string) => factsFromJson(machine(name)).memoryMap?.ranges ?? [];
  expect(ranges("many-ranges.json").length).toBeGreaterThan(150);
  expect(ranges("qemu-6g-bios.json").some((r) => r.start === 1n << 32n)).toBe(true);
  expect(factsFromJson(machine("qemu-6g-crash-high.json")).crashRegions).toHaveLength(2);
  const vesa = factsFromJson(machine("qemu-2g-vesa-edd-crash.json"));
  expect(vesa.x86_64?.framebuffer?.id).toBe("VESA VGA");
  expect(vesa.x86_64?.edd).toHaveLength(1);
  const uefi = factsFromJson(UEFI);
  expect(uefi.x86_64?.framebuffer?.id).toBe("EFI VGA");
  expect(uefi.efi?.runtimeMap).toHaveLength(8);
  expect(uefi.acpiRsdp).toBe(0x3fb7e014n);
});

describe("a note", () => {
  test.each<[FactNote["source"], string, string]>([
    ["/proc/iomem", "Permission denied.", "/proc/iomem: Permission denied."],
    [
      "/sys/firmware/memmap/3/start",
      '"?" is not a number.',
      '/sys/firmware/memmap/3/start: "?" is',
    ],
    ["memory map", "/proc/iomem line 5 is not a resource and is ignored: x.", "/proc/iomem line 5"],
    ["memory map", "/sys/firmware/memmap cannot be used.", "/sys/firmware/memmap cannot be used."],
    ["CPU notes", "Cannot parse /sys/devices/system/cpu/cpu3/crash_notes: x.", "Cannot parse /sys"],
    ["vmcoreinfo", "Cannot parse /sys/kernel/vmcoreinfo: x.", "Cannot parse /sys/kernel"],
    ["kernel text", "ELF core (kcore) parse failed: too short.", "ELF core (kcore) parse failed"],
    ["kernel text", "Cannot determine kernel physical load addr.", "Cannot determine kernel"],
    ["Xen", "Xen does not report KEXEC_RANGE_MA_XEN: Invalid argument.", "Xen does not report"],
    ["Xen", "Which memory belongs to guests is not known: /dev/xen/privcmd: x.", "Which memory"],
    ["machine", "getrandom returned no random bytes.", "getrandom returned no"],
  ])("of %s, %s: its sentence is in the file, and its source is known again", (...note) => {
    const [source, text, sentence] = note;
    const json = factsToJson({ ...factsFromJson(UEFI), notes: [{ source, text }] });
    expect(JSON.parse(json).notes[0]).toStartWith(sentence);
    expect(factsFromJson(json).notes).toEqual([{ source, text }]);
  });
});

test("what is x86_64's is nobody else's", () => {
  const facts = factsFromJson(changed((json) => (json.architecture = "arm64")));
  expect(facts.x86_64).toBeNull();
  const { bootParams, edd, framebuffer, display } = JSON.parse(factsToJson(facts));
  expect([bootParams, edd, framebuffer, display]).toEqual([null, [], null, null]);
});

test.each<[string, (json: Json) => void]>([
  ["machine: is missing", (j) => delete j.machine],
  ["rngSeed: is not a field of facts", (j) => (j.rngSeed = null)],
  ["machine: needed: string", (j) => (j.machine = 1)],
  ["machine: has a character above \\u00ff; needed: bytes", (j) => (j.machine = "\u0141")],
  ['architecture: needed: "x86_64" or "arm64"', (j) => (j.architecture = "vax")],
  ["pageSize: needed: a power of two", (j) => (j.pageSize = 5000)],
  ["pageSize: needed: a power of two", (j) => (j.pageSize = 0)],
  ["pageSize: needed: number", (j) => (j.pageSize = "4096")],
  ["bootParams: needed: base64", (j) => (j.bootParams = "???")],
  ["bootParams: needed: 4096 bytes", (j) => (j.bootParams = "AAAA")],
  ["acpiRsdp: needed: text of the form 0x1f", (j) => (j.acpiRsdp = "1f")],
  ["acpiRsdp: needed: text of the form 0x1f", (j) => (j.acpiRsdp = "0x")],
  ["acpiRsdp: needed: string", (j) => (j.acpiRsdp = 17)],
  ["acpiRsdp: is above 18446744073709551615", (j) => (j.acpiRsdp = "0x10000000000000000")],
  ["memoryMap.ranges[3].start: is missing", (j) => delete at(j, "memoryMap", "ranges", 3).start],
  [
    "memoryMap.ranges[0]: needed: end not below start",
    (j) => (at(j, "memoryMap", "ranges", 0).end = "0x3ff"),
  ],
  [
    "memoryMap.ranges[1].end: is above 18446744073709551616",
    (j) => (at(j, "memoryMap", "ranges", 1).end = "0x10000000000000001"),
  ],
  [
    "memoryMap.ranges: needed: ranges sorted by start",
    (j) => (at(j, "memoryMap", "ranges", 1).start = "0x0"),
  ],
  [
    'memoryMap.ranges[2].type: needed: "ram" or "reserved" or "unusable" or',
    (j) => (at(j, "memoryMap", "ranges", 2).type = "RAM"),
  ],
  [
    "efi.runtimeMap[0].type: is above 4294967295",
    (j) => (at(j, "efi", "runtimeMap", 0).type = 2 ** 32),
  ],
  ["efi.systab[1].nmae: is not a field of facts", (j) => (at(j, "efi", "systab", 1).nmae = "")],
  ["framebuffer.red.offset: is below 0", (j) => (at(j, "framebuffer", "red").offset = -1)],
  ["framebuffer.xres: needed: int", (j) => (at(j, "framebuffer").xres = 1.5)],
  ["kexec.loaded: needed: boolean", (j) => (at(j, "kexec").loaded = 0)],
  ["notes[0]: needed: string", (j) => (j.notes = [null])],
])("a damaged field is named: %s", (problem, change) => {
  const error = refusal(() => factsFromJson(changed(change), "my.json"));
  expect(error.code).toBe("facts.file");
  expect(error.message).toStartWith(`my.json: ${problem}`);
});

test.each([
  ["", "facts.file", "facts file: not JSON"],
  ["{", "facts.file", "facts file: not JSON"],
  ["null", "facts.format", 'facts file: no "format": this is not a facts file'],
  ["[]", "facts.format", 'facts file: no "format": this is not a facts file'],
  ['"x"', "facts.format", 'facts file: no "format": this is not a facts file'],
  ["{}", "facts.format", 'facts file: no "format": this is not a facts file'],
  ['{"format":2}', "facts.format", "facts file: format is 2, only 1 is understood"],
  ['{"format":"1"}', "facts.format", 'facts file: format is "1", only 1 is understood'],
  ['{"format":1}', "facts.file", "facts file: architecture: is missing"],
])("%j is refused", (text, code, message) => {
  const error = refusal(() => factsFromJson(text));
  expect(`${error.code}: ${error.message}`).toBe(`${code}: ${message}`);
});

test("facts that no machine has are a bug", () => {
  const facts = factsFromJson(UEFI);
  expect(() => factsToJson({ ...facts, machine: "\u20ac" })).toThrow(RangeError);
  expect(() => factsToJson({ ...facts, acpiRsdp: -1n })).toThrow("acpiRsdp");
});

test("cut and damaged files throw nothing but KexecErrors", () => {
  for (let end = 0; end < UEFI.length; end += 13) survives(() => factsFromJson(UEFI.slice(0, end)));
  fc.assert(
    fc.property(fc.nat(UEFI.length), fc.nat(20), fc.string(), (start, removed, added) => {
      survives(() => factsFromJson(UEFI.slice(0, start) + added + UEFI.slice(start + removed)));
    }),
  );
});

describe("what a host demands", () => {
  test("a file from before there was any host but Linux has Linux's rules", () => {
    const facts = factsFromJson(
      changed((json) => {
        for (const field of ["planKinds", "segmentRules", "xen", "display"]) delete json[field];
      }),
    );
    expect(facts.planKinds).toEqual(["file", "segments"]);
    expect(facts.segmentRules).toEqual(LINUX_SEGMENT_RULES);
    expect(facts.xen).toBeNull();
    expect(facts.x86_64?.display).toBeNull();
    expect(factsToJson({ ...facts, x86_64: factsFromJson(UEFI).x86_64 })).toBe(UEFI);
  });

  test.each<[string, (json: Json) => void]>([
    ["planKinds[0]: needed:", (j) => (j.planKinds = ["both"])],
    ["segmentRules.countMax: is below 1", (j) => (at(j, "segmentRules").countMax = 0)],
    ["segmentRules.mapped: is missing", (j) => delete at(j, "segmentRules").mapped],
    ["segmentRules.settled: needed: array", (j) => (at(j, "segmentRules").settled = "all")],
    ["xen.capabilities: is missing", (j) => (j.xen = { version: "4.17.7" })],
  ])("a damaged field is named: %s", (problem, change) => {
    const error = refusal(() => factsFromJson(changed(change)));
    expect(error.message).toStartWith(`facts file: ${problem}`);
  });
});

describe("what the running kernel uses as RAM", () => {
  const without = (name: string) => {
    const { systemRam: _, ...json } = JSON.parse(machine(name));
    return factsFromJson(JSON.stringify(json)).systemRam;
  };

  test("is in what a dump is made of, in a file from before it was written", () => {
    expect(without("qemu-2g-vesa-edd-crash.json")).toEqual([
      { start: 0x1000n, end: 0x9fc00n },
      { start: 0x100000n, end: 0x7ffe0000n },
    ]);
  });

  test("is not known from a file without either, nor from Xen's", () => {
    expect(without("qemu-1g-bios.json")).toBeNull();
    expect(without("qemu-2g-xen-crash.json")).toBeNull();
  });
});
