/** The facts of a machine as Xen reports them. */

import { describe, expect, test } from "bun:test";
import { Errno } from "../../../src/edge/ffi/errno.ts";
import type { XenCalls } from "../../../src/edge/xen/calls.ts";
import type { HypercallMemory, Privcmd } from "../../../src/edge/xen/privcmd.ts";
import { readXenFacts } from "../../../src/edge/xen/read-facts.ts";
import { XenMachphysMfnList } from "../../../src/edge/xen/structs.ts";
import { factsFromJson } from "../../../src/facts/facts-file.ts";
import { e820Entries } from "../../facts/e820-entries.ts";
import { sentencesOf } from "../../facts/sentences.ts";
import { refusal } from "../../kexec-error.ts";

const GIB = 1n << 30n;
const FRAMES_PER_GIB = 262144;
const LINUX = factsFromJson(await Bun.file("test/facts/machines/qemu-1g-bios.json").text());
const INVALID = 2n ** 64n - 1n;

function xenCalls(changes: Partial<XenCalls> = {}): XenCalls {
  const never = (): never => {
    throw new Error("reading facts does nothing");
  };
  return {
    servedBy: "a test",
    version: () => "4.17.7",
    capabilities: () => "xen-3.0-x86_64 ",
    machineMemoryMap: () =>
      e820Entries([
        [0n, 0x9f000n, 1],
        [0x100000n, 2n * GIB - 0x100000n, 1],
      ]),
    getRange(range, nr) {
      if (range === 0) return { start: 0x60000000n, size: 0x8000000n };
      if (range === 2) return nr < 2 ? { start: 0x1000n + BigInt(nr), size: 500n } : -34;
      return { start: BigInt(range) << 24n, size: 0x1000n };
    },
    load: never,
    unload: never,
    status: never,
    exec: never,
    close: never,
    ...changes,
  };
}

/** A privcmd device whose table says which frames of each GiB belong to guests. */
function device(owned: (gib: number, frame: number) => boolean, extents = 2) {
  const seen: number[] = [];
  let open = 0;
  const close = () => {
    open -= 1;
  };
  const memory = (size: number): HypercallMemory => {
    open += 1;
    return { address: BigInt(open), bytes: new Uint8Array(size), free: close };
  };
  const allocated: HypercallMemory[] = [];
  const privcmd: Privcmd = {
    path: "/dev/xen/privcmd",
    hypercall() {
      const [list, argument] = allocated;
      if (list === undefined || argument === undefined) throw new Error("no memory");
      const view = new DataView(list.bytes.buffer);
      for (let i = 0; i < extents; i += 1) view.setBigUint64(i * 8, BigInt(i + 1) * 512n, true);
      XenMachphysMfnList.write(argument.bytes, { nr_extents: extents });
      return 0;
    },
    allocate(size) {
      const one = memory(size);
      allocated.push(one);
      return one;
    },
    readFrames(domain, frames) {
      expect(domain).toBe(0x7ff2);
      expect(frames).toHaveLength(512);
      const gib = Number((frames[0] ?? 0n) / 512n) - 1;
      seen.push(gib);
      const table = new BigUint64Array(FRAMES_PER_GIB);
      for (let i = 0; i < FRAMES_PER_GIB; i += 1) table[i] = owned(gib, i) ? BigInt(i) : INVALID;
      return new Uint8Array(table.buffer);
    },
    close,
  };
  const start = () => {
    open += 1;
    return privcmd;
  };
  return { start, seen, held: () => open };
}

const nothingOwned = () => device(() => false).start;

describe("readXenFacts", () => {
  test("replaces the facts that Linux cannot know, and keeps the others", () => {
    const facts = readXenFacts(xenCalls(), LINUX, nothingOwned());
    // dom0's own is of other addresses.
    expect(facts.systemRam).toBeNull();
    expect(facts.memoryMap).toEqual({
      source: "xen",
      ranges: [
        { start: 0x400n, end: 0x9f000n, type: "ram" },
        { start: 0x100000n, end: 2n * GIB, type: "ram" },
      ],
    });
    expect(facts.crashRegions).toEqual([{ start: 0x60000000n, end: 0x68000000n }]);
    expect(facts.planKinds).toEqual(["segments"]);
    expect(facts.xen).toEqual({
      version: "4.17.7",
      capabilities: "xen-3.0-x86_64 ",
      hypervisor: { start: 0x1000000n, end: 0x1001000n },
    });
    expect(facts.crash).toBeNull();
    expect(facts.bootCommandLine).toBe(LINUX.bootCommandLine);
    expect(facts.segmentRules).toMatchObject({ countMax: 15, halfOfMemory: false });
  });

  test("a crash region of size 0 is none", () => {
    const getRange = () => ({ start: 0n, size: 0n });
    const facts = readXenFacts(xenCalls({ getRange }), LINUX, nothingOwned());
    expect(facts.crashRegions).toEqual([]);
    expect(facts.xen).toMatchObject({ hypervisor: null });
  });

  test("a range that ends beyond 64 bits is null, and a note says so", () => {
    const getRange = () => ({ start: 0xffff_ffff_ffff_f000n, size: 0x1001n });
    const crash = {
      ...{ memory: [], cpuNotes: [], vmcoreinfo: null, dom0Vmcoreinfo: null },
      ...{ kernelText: null, pageOffset: 0n },
    };
    const facts = readXenFacts(xenCalls({ getRange }), { ...LINUX, crash }, nothingOwned());
    expect(facts.crashRegions).toEqual([]);
    expect(facts.xen).toMatchObject({ hypervisor: null });
    expect(facts.crash).toMatchObject({ cpuNotes: [], vmcoreinfo: null });
    expect(sentencesOf(facts)).toContain(
      "Xen reports the notes of CPU 0 beyond 64 bits, ignored: 0x1001 bytes at 0xfffffffffffff000.",
    );
  });

  test("for a crash kernel: the machine's CPU notes, vmcoreinfo and memory", () => {
    const dom0 = { start: 0x7654000n, end: 0x7655000n };
    const crash = {
      ...{ memory: [], cpuNotes: [], vmcoreinfo: dom0, dom0Vmcoreinfo: null },
      ...{ kernelText: null, pageOffset: 0n },
    };
    const facts = readXenFacts(xenCalls(), { ...LINUX, crash }, nothingOwned());
    expect(facts.crash).toEqual({
      memory: [
        { start: 0n, end: 0x9f000n, type: "ram" },
        { start: 0x100000n, end: 2n * GIB, type: "ram" },
      ],
      vmcoreinfo: { start: 0x6000000n, end: 0x6001000n },
      dom0Vmcoreinfo: dom0,
      cpuNotes: [
        { start: 0x1000n, end: 0x11f4n },
        { start: 0x1001n, end: 0x11f5n },
      ],
      kernelText: null,
      pageOffset: 0xffff888000000000n,
    });
  });

  test("a fact that Xen does not report is a note", () => {
    const calls = xenCalls({
      version: () => -Errno.EPERM,
      capabilities: () => -Errno.EPERM,
      getRange: () => -22,
    });
    const { notes, xen } = readXenFacts(calls, LINUX, nothingOwned());
    expect(xen).toMatchObject({ version: "", capabilities: "", hypervisor: null });
    expect(sentencesOf({ notes })).toContain(
      "Xen does not report its version: Operation not permitted.",
    );
    expect(sentencesOf({ notes })).toContain(
      "Xen does not report KEXEC_RANGE_MA_XEN: Invalid argument.",
    );
  });

  test("without a memory map it throws", () => {
    const machineMemoryMap = () => -Errno.EPERM;
    const error = refusal(() =>
      readXenFacts(xenCalls({ machineMemoryMap }), LINUX, nothingOwned()),
    );
    expect(error.message).toEndWith("Operation not permitted\nCould not get memory layout");
    expect(error.exitStatus).toBe(255);
  });
});

describe("the memory of guests", () => {
  test("is read from Xen's table, and the device is closed", () => {
    const one = device((gib, frame) => gib === 1 && frame >= 0x1000 && frame < 0x2000);
    const { segmentRules } = readXenFacts(xenCalls(), LINUX, one.start);
    expect(segmentRules.guestOwned).toEqual([{ start: GIB + 0x1000000n, end: GIB + 0x2000000n }]);
    expect(one.seen).toEqual([0, 1]);
    expect(one.held()).toBe(0);
  });

  test("is one range across the border of two extents", () => {
    const one = device((gib, frame) => (gib === 0 ? frame >= 262000 : frame < 100));
    const { segmentRules } = readXenFacts(xenCalls(), LINUX, one.start);
    expect(segmentRules.guestOwned).toEqual([{ start: 262000n * 4096n, end: GIB + 100n * 4096n }]);
  });

  test("is searched in the lowest 4 GiB, then from the top, until 16 GiB are found", () => {
    const machineMemoryMap = () => e820Entries([[0n, 64n * GIB, 1]]);
    const one = device(() => true, 64);
    const { segmentRules } = readXenFacts(xenCalls({ machineMemoryMap }), LINUX, one.start);
    expect(one.seen.slice(0, 6)).toEqual([0, 1, 2, 3, 63, 62]);
    expect(one.seen).toHaveLength(16);
    expect(segmentRules.guestOwned).toEqual([
      { start: 0n, end: 4n * GIB },
      { start: 52n * GIB, end: 64n * GIB },
    ]);
  });

  test("no more of the list is read than there was room for", () => {
    const { start } = device(() => true, 2);
    const open = () => {
      const privcmd = start();
      let argument: HypercallMemory | undefined;
      return {
        ...privcmd,
        allocate(size: number) {
          const memory = privcmd.allocate(size);
          if (typeof memory !== "number") argument = memory;
          return memory;
        },
        hypercall(op: number, args: readonly bigint[]) {
          const status = privcmd.hypercall(op, args);
          if (argument !== undefined) {
            XenMachphysMfnList.write(argument.bytes, { nr_extents: 0xffff_ffff });
          }
          return status;
        },
      };
    };
    const { guestOwned } = readXenFacts(xenCalls(), LINUX, open).segmentRules;
    expect(guestOwned).toEqual([{ start: 0n, end: 2n * GIB }]);
  });

  test.each([
    [
      "no device",
      () => ({ path: "/dev/xen/privcmd", errno: Errno.ENOENT }),
      "is not known: /dev/xen/privcmd",
    ],
    [
      "Xen refuses the list",
      () => ({ ...device(() => true).start(), hypercall: () => -Errno.EPERM }),
      "Xen does not show which memory belongs to guests: Operation not permitted.",
    ],
    [
      "its frames cannot be seen",
      () => ({ ...device(() => true).start(), readFrames: () => -Errno.EINVAL }),
      "Xen does not show which memory belongs to guests: Invalid argument.",
    ],
    [
      "no memory for the call",
      () => ({ ...device(() => true).start(), allocate: () => -Errno.ENOMEM }),
      "Xen does not show which memory belongs to guests: Cannot allocate memory.",
    ],
  ])("%s: it is empty, and a note has the reason", (_name, open, note) => {
    const withClose = () => ({ ...open(), close() {} });
    const facts = readXenFacts(xenCalls(), LINUX, _name === "no device" ? open : withClose);
    expect(facts.segmentRules.guestOwned).toEqual([]);
    expect(sentencesOf(facts).some((one) => one.includes(note))).toBe(true);
  });
});
