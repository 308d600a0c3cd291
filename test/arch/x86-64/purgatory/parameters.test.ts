import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { JUMP_BACK_ROOM } from "../../../../src/arch/x86-64/handoff/jump-back.ts";
import { x86Purgatory } from "../../../../src/arch/x86-64/purgatory/index.ts";
import {
  buildPurgatory,
  EntryMode,
  type PurgatoryParameters,
  purgatoryEntry,
} from "../../../../src/arch/x86-64/purgatory/parameters.ts";
import { KexecError } from "../../../../src/core/error.ts";
import {
  ENTRY_START,
  PARAMETERS_MAGIC,
  PARAMETERS_VERSION,
  ParameterFlag,
  purgatoryHead,
  purgatoryMemorySize,
  purgatoryRegion,
  REGIONS_MAX,
} from "../../../../src/purgatory/parameters.ts";
import { orRefusal } from "../../../kexec-error.ts";
import { definesOf, numbersOf, offsetsOf } from "../../../purgatory/defines.ts";

const { manifest, blob } = x86Purgatory();
const BASE = manifest.parameterOffset;

const plain: PurgatoryParameters = {
  registers: { rip: 0x100200n },
  regions: [],
  skipChecks: false,
  console: { resetVga: false, vga: false, serial: false, serialBase: 0, serialBaud: 0 },
};
const build = (change: Partial<PurgatoryParameters> = {}) =>
  buildPurgatory(blob, manifest, { ...plain, ...change });
/** The whole block: what all purgatories have in it, and x86_64's own. */
const read = (bytes: Uint8Array) => ({
  ...purgatoryHead.read(bytes, BASE),
  ...purgatoryEntry.read(bytes, BASE),
});

describe("entry.h and the table agree on", () => {
  const defines = definesOf("arch/x86-64/purgatory/entry.h");

  test("the fields", () => {
    expect(numbersOf(defines, "PARAMETERS_")).toEqual(
      offsetsOf("PARAMETERS_", purgatoryEntry.fields),
    );
    expect(numbersOf(defines, "JUMP_BACK_")).toEqual({ JUMP_BACK_ROOM: BigInt(JUMP_BACK_ROOM) });
  });

  test("the entry modes", () => {
    expect(numbersOf(defines, "ENTRY_")).toEqual({
      ENTRY_MODE_64: BigInt(EntryMode[64]),
      ENTRY_MODE_32: BigInt(EntryMode[32]),
      ENTRY_MODE_16: BigInt(EntryMode[16]),
    });
  });

  test("the flags, all of which this purgatory obeys", () => {
    const all = Object.values(ParameterFlag).reduce<number>((sofar, flag) => sofar | flag, 0);
    expect(numbersOf(defines, "FLAG")).toEqual({ FLAGS_KNOWN: BigInt(all) });
  });

  test("where its part of the block lies: between the head and the regions", () => {
    for (const { offset, size } of Object.values(purgatoryEntry.fields)) {
      expect(offset).toBeGreaterThanOrEqual(ENTRY_START);
      expect(offset + size).toBeLessThanOrEqual(purgatoryHead.fields.regions.offset);
    }
  });
});

describe("buildPurgatory", () => {
  test("changes no byte but the parameters, and not the blob it was given", () => {
    const before = blob.slice();
    const built = build({
      registers: { rip: 1n, r15: 2n },
      regions: [{ start: 4096n, length: 5n, xxh64: 7n }],
      skipChecks: true,
      backup: { source: 0n, destination: 0x100000n, size: 0xa0000n },
    });
    expect(blob).toEqual(before);
    expect(built.length).toBe(blob.length);
    const end = BASE + purgatoryHead.size;
    expect(built.subarray(0, BASE)).toEqual(blob.subarray(0, BASE));
    expect(built.subarray(end)).toEqual(blob.subarray(end));
    const { magic, version, block_size } = read(built);
    expect({ magic, version, block_size }).toEqual({
      magic: PARAMETERS_MAGIC,
      version: PARAMETERS_VERSION,
      block_size: purgatoryHead.size,
    });
  });

  test("with nothing asked for leaves every parameter but rip as built", () => {
    expect(read(build())).toEqual({ ...read(blob), rip: 0x100200n });
  });

  test("a 32-bit entry changes the mode alone, and takes 32 bits a register", () => {
    const registers = { rip: 0xffffffffn };
    expect(read(build({ mode: 32, registers }))).toEqual({
      ...read(blob),
      entry_mode: 1,
      rip: 0xffffffffn,
    });
    expect(() => build({ mode: 32, registers: { rip: 1n, rsi: 1n << 32n } })).toThrow(
      "rsi 0x100000000 does not fit the 32-bit entry",
    );
  });

  test("a 16-bit entry has segments and flags too, and 16 bits of entry", () => {
    const registers = { rip: 0xffffn, rsp: 0xe000n };
    const segments = { cs: 0x1020, ds: 0x1000, es: 0x1001, ss: 0x1002, fs: 0x1003, gs: 0x1004 };
    const wanted = { ...read(blob), entry_mode: 2, ...registers, ...segments };
    const given = { mode: 16, registers, segments } as const;
    expect(read(build(given))).toEqual({ ...wanted, flags_16: 0x002 });
    expect(read(build({ ...given, interrupts: true }))).toEqual({ ...wanted, flags_16: 0x202 });
    expect(() => build({ mode: 16, registers: { rip: 0x10000n } })).toThrow(
      "rip 0x10000 does not fit the 16-bit entry",
    );
    expect(read(build({ registers: { rip: 1n }, segments, interrupts: true })).flags_16).toBe(0);
  });

  const names = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp", "r8", "r9"] as const;
  const more = ["r10", "r11", "r12", "r13", "r14", "r15"] as const;
  test.each([...names, ...more])("puts %s in its place and no other", (name) => {
    const built = build({ registers: { rip: 1n, [name]: 0xfedcba9876543210n } });
    expect(read(built)).toEqual({ ...read(blob), rip: 1n, [name]: 0xfedcba9876543210n });
  });

  test("takes an image type's entry state, and nothing of it but registers", () => {
    const entry = { rip: 1n, rsi: 2n, rdi: undefined, magic: 3n };
    expect(read(build({ registers: entry }))).toEqual({ ...read(blob), rip: 1n, rsi: 2n });
  });

  test.each([
    [{ skipChecks: true }, 0x01],
    [{ console: { ...plain.console, vga: true } }, 0x02],
    [{ console: { ...plain.console, serial: true } }, 0x04],
    [{ console: { ...plain.console, resetVga: true } }, 0x08],
  ])("flags of %j are %d", (change, flags) => {
    expect(read(build(change)).flags).toBe(flags);
  });

  test("where to tell the address to jump back to", () => {
    expect(read(build({ jumpBackText: 0x1234n })).jump_back_text).toBe(0x1234n);
    expect(read(build({})).jump_back_text).toBe(0n);
  });

  test("console and backup", () => {
    const console = { ...plain.console, serialBase: 0x2f8, serialBaud: 115200 };
    const backup = { source: 1n, destination: 0x200000n, size: 0x9fc00n };
    expect(read(build({ console, backup }))).toMatchObject({
      serial_base: 0x2f8,
      serial_baud: 115200,
      backup_source: 1n,
      backup_destination: 0x200000n,
      backup_size: 0x9fc00n,
    });
  });

  test("any regions come back as they went in, the rest of the table is zero", () => {
    const region = fc
      .record({
        start: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        length: fc.bigInt({ min: 0n, max: 1n << 40n }),
        xxh64: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      })
      .filter(({ start, length }) => start + length <= 1n << 64n);
    fc.assert(
      fc.property(fc.array(region, { maxLength: REGIONS_MAX }), (regions) => {
        const { regions: table, region_count } = read(build({ regions }));
        expect(region_count).toBe(regions.length);
        for (const [i, wanted] of regions.entries()) {
          expect(purgatoryRegion.read(table, i * purgatoryRegion.size)).toEqual(wanted);
        }
        const rest = table.subarray(regions.length * purgatoryRegion.size);
        expect(rest.every((byte) => byte === 0)).toBe(true);
      }),
    );
  });
});

describe("buildPurgatory refuses", () => {
  const region = { start: 0n, length: 1n, xxh64: 0n };
  const codeOf = (make: () => unknown) => {
    const made = orRefusal(make);
    return made instanceof KexecError ? made.code : "nothing";
  };

  test("more regions than the block has room for, and takes as many as it has", () => {
    const regions = Array.from({ length: REGIONS_MAX + 1 }, () => region);
    expect(codeOf(() => build({ regions: regions.slice(1) }))).toBe("nothing");
    expect(codeOf(() => build({ regions }))).toBe("purgatory.regions");
    expect(read(build({ regions, skipChecks: true })).region_count).toBe(0);
  });

  test("memory beyond 64 bits", () => {
    const start = (1n << 64n) - 4096n;
    const regions = (length: bigint) => [{ ...region, start, length }];
    expect(codeOf(() => build({ regions: regions(4096n) }))).toBe("nothing");
    expect(codeOf(() => build({ regions: regions(4097n) }))).toBe("purgatory.range");
    expect(codeOf(() => build({ regions: [{ ...region, start: -1n }] }))).toBe("purgatory.range");
    const backup = { source: 0n, destination: start, size: 4097n };
    expect(codeOf(() => build({ backup }))).toBe("purgatory.range");
  });

  test("a backup onto itself", () => {
    const backup = { source: 0x1000n, destination: 0x1fffn, size: 0x1000n };
    expect(codeOf(() => build({ backup }))).toBe("purgatory.backup");
    expect(codeOf(() => build({ backup: { ...backup, destination: 0x2000n } }))).toBe("nothing");
    expect(codeOf(() => build({ backup: { ...backup, size: 0n } }))).toBe("nothing");
  });

  test("a blob of another kind", () => {
    const other = blob.slice();
    purgatoryHead.write(other, { version: PARAMETERS_VERSION + 1 }, BASE);
    expect(codeOf(() => buildPurgatory(other, manifest, plain))).toBe("purgatory.blob");
    expect(codeOf(() => buildPurgatory(blob.slice(1), manifest, plain))).toBe("purgatory.blob");
  });

  test("numbers that do not fit", () => {
    expect(() => build({ registers: { rip: 1n << 64n } })).toThrow(RangeError);
    expect(() => build({ registers: { rip: -1n } })).toThrow(RangeError);
    const regions = [{ ...region, xxh64: 1n << 64n }];
    expect(() => build({ regions })).toThrow(RangeError);
  });
});

test("the memory has room for the blob and at least 8 KiB of stack, in pages", () => {
  const size = purgatoryMemorySize(manifest);
  expect(size % 4096n).toBe(0n);
  expect(size).toBeGreaterThanOrEqual(BigInt(manifest.blobSize) + 8192n);
  expect(size).toBeLessThanOrEqual(32768n);
});
