/** The pure parts of Xen's facts. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { architectureOfCapabilities } from "../../../src/edge/xen/capabilities.ts";
import { hasXenInterrupts } from "../../../src/edge/xen/decide-host.ts";
import { xenctrlNames } from "../../../src/edge/xen/library-names.ts";
import { guestMemory } from "../../../src/edge/xen/machine-to-phys.ts";
import { xenMemoryMap } from "../../../src/edge/xen/memory-map.ts";
import { e820Entries } from "../../facts/e820-entries.ts";

const PAGE = 4096n;
const INVALID = 2n ** 64n - 1n;

describe("guestMemory", () => {
  const table = (entries: readonly bigint[]) => new Uint8Array(BigUint64Array.from(entries).buffer);

  test("returns the ranges that belong to guests", () => {
    const entries = [INVALID, 5n, 6n, 9n, INVALID, INVALID - 1n, 0n, 1n];
    expect(guestMemory(table(entries), 0x100n, 1)).toEqual([
      { start: 0x101n * PAGE, end: 0x104n * PAGE },
      { start: 0x106n * PAGE, end: 0x108n * PAGE },
    ]);
  });

  test("leaves out ranges that are too short", () => {
    expect(guestMemory(table([1n, INVALID, 2n, 3n]), 0n, 2)).toEqual([
      { start: 2n * PAGE, end: 4n * PAGE },
    ]);
  });

  test("an empty table has no ranges", () => {
    expect(guestMemory(new Uint8Array(0), 0n, 1)).toEqual([]);
  });

  test("for any table, a frame is in a range exactly if a guest has it", () => {
    const entry = fc.oneof(fc.constant(INVALID), fc.bigInt(0n, 2n ** 40n));
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 60 }), (entries) => {
        const runs = guestMemory(table(entries), 7n, 1);
        entries.forEach((value, i) => {
          const address = (7n + BigInt(i)) * PAGE;
          const inside = runs.some((run) => run.start <= address && address < run.end);
          expect(inside).toBe(value !== INVALID);
        });
      }),
    );
  });
});

describe("xenMemoryMap", () => {
  test("is sorted, each range has its type, and an unknown type is reserved", () => {
    const map = xenMemoryMap(
      e820Entries([
        [0x100000n, 0x7fee0000n, 1],
        [0n, 0x9fc00n, 1],
        [0x9fc00n, 0x400n, 2],
        [0x80000000n, 0x1000n, 3],
        [0x80001000n, 0x1000n, 4],
        [0x80002000n, 0x1000n, 5],
        [0x80003000n, 0x1000n, 7],
        [0x80004000n, 0x1000n, 12],
        [0x80005000n, 0n, 1],
        [0x80006000n, 0x1000n, 0xefffffff],
        [0xfd00000000n, 2n ** 64n - 1n, 99],
      ]),
    );
    expect(map.map(({ start, end, type }) => [start, end, type])).toEqual([
      [0n, 0x9fc00n, "ram"],
      [0x9fc00n, 0xa0000n, "reserved"],
      [0x100000n, 0x7ffe0000n, "ram"],
      [0x80000000n, 0x80001000n, "acpi"],
      [0x80001000n, 0x80002000n, "acpi-nvs"],
      [0x80002000n, 0x80003000n, "unusable"],
      [0x80003000n, 0x80004000n, "pmem"],
      [0x80004000n, 0x80005000n, "pram"],
      [0x80006000n, 0x80007000n, "soft-reserved"],
      [0xfd00000000n, 2n ** 64n, "reserved"],
    ]);
  });

  test("is sorted for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const starts = xenMemoryMap(bytes).map(({ start }) => start);
        expect(starts).toEqual(starts.toSorted((a, b) => (a < b ? -1 : 1)));
      }),
    );
  });
});

test.each([
  ["xen-3.0-x86_64 ", "x86_64"],
  ["xen-3.0-x86_64 xen-3.0-x86_32p hvm-3.0-x86_64", "x86_64"],
  ["hvm-3.0-x86_64", null],
  ["xen-3.0-aarch64 xen-3.0-armv7l", null],
  ["", null],
] as const)("architectureOfCapabilities(%j)", (text, architecture) => {
  expect(architectureOfCapabilities(text)).toBe(architecture);
});

test.each([
  [" 48:  100  xen-percpu    -virq      timer0\n", true],
  [" 56:  0  xen-dyn    -event     hvc_console\n", true],
  ["  1:  0  xen-pirq    -ioapic-edge  i8042\n", true],
  ["  0:  40  IO-APIC   2-edge      timer\n", false],
  ["", false],
])("hasXenInterrupts(%j)", (text, xen) => {
  expect(hasXenInterrupts(text)).toBe(xen);
});

describe("xenctrlNames", () => {
  /** A loader's cache: paths that end with the names, and in older formats the names as well. */
  const cache = (...names: string[]): string =>
    `ld.so-1.7.0 \x01\x02${names.map((name) => `/usr/lib/${name}\0`).join("")}`;

  test("the running version, then the loader's names, newest first, then the bare name", () => {
    const names = ["libxenctrl.so.4.4", "libxenctrl.so.4.21", "libxenctrl.so.4.17", "libz.so.1"];
    expect(xenctrlNames("4.17", cache(...names))).toEqual([
      "libxenctrl.so.4.17",
      "libxenctrl.so.4.21",
      "libxenctrl.so.4.4",
      "libxenctrl.so",
    ]);
  });

  test.each([
    [null, null, ["libxenctrl.so"]],
    ["4.20", null, ["libxenctrl.so.4.20", "libxenctrl.so"]],
    [null, cache("libxenctrl.so.4.17.0"), ["libxenctrl.so.4.17.0", "libxenctrl.so"]],
    [
      null,
      "\x01\x02libxenctrl.so.4.9\0/x/libxenctrl.so.4.9\0",
      ["libxenctrl.so.4.9", "libxenctrl.so"],
    ],
    [null, "/usr/lib/notlibxenctrl.so.4.9\0/usr/lib/libxenctrl.so.4.9-old\0", ["libxenctrl.so"]],
    ["4.17", cache("libxenctrl.so"), ["libxenctrl.so.4.17", "libxenctrl.so"]],
  ] as const)("version %p, cache %j", (version, text, names) => {
    expect(xenctrlNames(version, text)).toEqual([...names]);
  });

  test("returns only names without a slash, for any cache", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const name of xenctrlNames("4.17", `${text}libxenctrl.so.4.9\0`)) {
          expect(name).not.toContain("/");
        }
      }),
    );
  });
});
