import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  BootParams,
  type BootParamsInput,
  buildBootParams,
} from "../../../../src/arch/x86-64/handoff/boot-params.ts";
import { buildE820 } from "../../../../src/arch/x86-64/handoff/e820.ts";
import { buildEddTables } from "../../../../src/arch/x86-64/handoff/edd-info.ts";
import type { EfiPassed } from "../../../../src/arch/x86-64/handoff/efi-info.ts";
import { SetupHeader } from "../../../../src/arch/x86-64/handoff/setup-header.ts";
import { hexOf } from "../../../../src/core/bytes.ts";
import { KexecError } from "../../../../src/core/error.ts";
import type { MemoryRange } from "../../../../src/model/memory.ts";
import { orRefusal } from "../../../kexec-error.ts";
import { kernelImage } from "./images.ts";

const memory: readonly MemoryRange[] = [
  { start: 0n, end: 0x9fc00n, type: "ram" },
  { start: 0xf0000n, end: 0x100000n, type: "reserved" },
  { start: 0x100000n, end: 0x7fe0000n, type: "ram" },
];

const input: BootParamsInput = {
  image: kernelImage(),
  commandLine: 0x7fdd000n,
  initrd: { address: 0x7000000n, size: 0x12345n },
  setupData: 0x7fde000n,
  e820: buildE820(memory),
  efi: null,
  screenInfo: new Uint8Array(64),
  edd: buildEddTables([]),
  acpiRsdp: 0xf59e0n,
  running: null,
};

const efiPassed: EfiPassed = {
  passed: true,
  setupData: { type: 4, data: new Uint8Array(96) },
  memoryMap: new Uint8Array(80),
  info: {
    efi_loader_signature: 0x34364c45,
    efi_systab: 0x3fede018,
    efi_memdesc_size: 40,
    efi_memdesc_version: 1,
    efi_memmap: 0,
    efi_memmap_size: 80,
    efi_systab_hi: 0,
    efi_memmap_hi: 0,
  },
  secureBoot: 2,
  note: "",
};

/** A page written by hand: [offset, bytes as hex]; everything else is 0. */
function page(...parts: readonly (readonly [number, string])[]): Uint8Array {
  const bytes = new Uint8Array(4096);
  for (const [at, hex] of parts) bytes.set(Buffer.from(hex, "hex"), at);
  return bytes;
}

/** The header of `kernelImage()` as it stands after the loader has filled it in. */
const HEADER = [
  [0x1f1, "1b0100"],
  [0x1fe, "55aaeb6a"],
  [0x202, "486472530f02"],
  [0x210, "d000"], // type_of_loader, loadflags
  [0x22c, "ffffff7f"],
  [0x230, "0000200001151f00ff070000"],
] as const;

const high = fc.bigInt({ min: 0n, max: (1n << 56n) - 1n });

describe("BootParams", () => {
  test("no two fields overlap, nor with the setup header", () => {
    const fields = [...Object.values(BootParams.fields), ...Object.values(SetupHeader.fields)].sort(
      (a, b) => a.offset - b.offset,
    );
    let end = 0;
    for (const { offset, size } of fields) {
      expect(offset).toBeGreaterThanOrEqual(end);
      end = offset + size;
    }
    expect(end).toBeLessThanOrEqual(4096);
  });
});

describe("buildBootParams", () => {
  test("a small machine, the whole page written out by hand", () => {
    const expected = page(
      [0x002, "00fc"], // ext_mem_k: all that it can say, since alt_mem_k is more
      [0x070, "e0590f0000000000"],
      [0x1e0, "7ffb0100"], // alt_mem_k: 0x7fdffff / 0x400 - 0x400 = 0x1fb7f
      [0x1e8, "03"],
      ...HEADER,
      [0x218, "0000000745230100"],
      [0x228, "00d0fd07"],
      [0x250, "00e0fd0700000000"],
      [0x2d0, `0000000000000000${"00fc090000000000"}01000000`],
      [0x2e4, `00000f0000000000${"0000010000000000"}02000000`],
      [0x2f8, `0000100000000000${"0000ee0700000000"}01000000`],
    );
    expect(hexOf(buildBootParams(input))).toBe(hexOf(expected));
  });

  test("the least: no initrd, memory, ACPI or setup_data", () => {
    const built = buildBootParams({
      ...input,
      initrd: null,
      setupData: 0n,
      e820: buildE820([]),
      acpiRsdp: null,
    });
    expect(hexOf(built)).toBe(hexOf(page(...HEADER, [0x228, "00d0fd07"])));
  });

  test("nothing before the setup header is copied from the image: sentinel is 0", () => {
    expect(input.image[0x1ef]).toBe(0xff);
    expect(buildBootParams(input)[0x1ef]).toBe(0);
  });

  test("the longest header does not write over the tables behind it", () => {
    const built = buildBootParams({ ...input, image: kernelImage({ length: 0xff }) });
    expect(hexOf(built.subarray(0x290, 0x2d0))).toBe("00".repeat(64));
    expect(hexOf(built.subarray(0x2d0, 0x2d8))).toBe("00".repeat(8));
  });

  test("the image is not changed", () => {
    const image = kernelImage();
    buildBootParams({ ...input, image });
    expect(image).toEqual(kernelImage());
  });

  test("addresses and sizes of any height come back from their two halves", () => {
    fc.assert(
      fc.property(high, high, high, high, (commandLine, address, size, setupData) => {
        const built = buildBootParams({
          ...input,
          commandLine,
          initrd: { address, size },
          setupData,
        });
        const view = new DataView(built.buffer);
        const join = (low: number, above: number) =>
          BigInt(view.getUint32(low, true)) | (BigInt(view.getUint32(above, true)) << 32n);
        expect(join(0x228, 0x0c8)).toBe(commandLine);
        expect(join(0x218, 0x0c0)).toBe(address);
        expect(join(0x21c, 0x0c4)).toBe(size);
        expect(view.getBigUint64(0x250, true)).toBe(setupData);
      }),
    );
  });

  test.each<[string, number, number]>([
    ["protocol 2.11", 0x020b, 0x1f],
    ["no XLF_CAN_BE_LOADED_ABOVE_4G", 0x020c, 0x01],
  ])("a kernel that knows no high addresses: %s", (_, version, xloadflags) => {
    const image = kernelImage({ version, xloadflags, length: 0x66 });
    const errorOf = (change: Partial<BootParamsInput>) => {
      const built = orRefusal(() => buildBootParams({ ...input, image, ...change }));
      return built instanceof KexecError ? built : null;
    };
    const GIB4 = 1n << 32n;
    expect(errorOf({ commandLine: GIB4 })?.code).toBe("plan.address");
    expect(errorOf({ commandLine: GIB4 - 1n })).toBeNull();
    expect(errorOf({ initrd: { address: GIB4 - 0x1000n, size: 0x1001n } })?.message).toContain(
      "The initrd lies at 0xfffff000",
    );
    expect(errorOf({ initrd: { address: GIB4 - 0x1000n, size: 0x1000n } })).toBeNull();
  });

  test("protocol 2.01 has no address for its command line", () => {
    const image = kernelImage({ version: 0x0201 });
    expect(() => buildBootParams({ ...input, image })).toThrow(KexecError);
    expect(() => buildBootParams({ ...input, image })).toThrow("2.01");
  });

  test("an image cut short is a KexecError at every offset", () => {
    for (let size = 0; size < 0x26c; size += 1) {
      const image = kernelImage().subarray(0, size);
      expect(() => buildBootParams({ ...input, image })).toThrow(KexecError);
    }
  });

  test("EFI: efi_info and secure_boot; without it both are 0", () => {
    const built = buildBootParams({
      ...input,
      efi: { handoff: efiPassed, memoryMap: 0x1_0000_2000n },
    });
    expect(hexOf(built.subarray(0x1c0, 0x1e0))).toBe(
      "454c363418e0ed3f" + "2800000001000000" + "0020000050000000" + "0000000001000000",
    );
    expect(built[0x1ec]).toBe(2);
    const without = buildBootParams(input);
    expect(hexOf(without.subarray(0x1c0, 0x1e0))).toBe("00".repeat(32));
    expect(without[0x1ec]).toBe(0);
  });

  test("EDD and the screen go where they belong", () => {
    const edd = {
      eddbuf_entries: 6,
      eddbuf: new Uint8Array(492).fill(0xed),
      edd_mbr_sig_buf_entries: 16,
      edd_mbr_sig_buffer: new Uint8Array(64).fill(0x5b),
      notes: [],
    };
    const screenInfo = new Uint8Array(64).fill(0x77);
    const built = buildBootParams({ ...input, e820: buildE820([]), edd, screenInfo });
    expect(hexOf(built.subarray(0x1e8, 0x1eb))).toBe("000610");
    expect(built.subarray(0x290, 0x2d0)).toEqual(edd.edd_mbr_sig_buffer);
    expect(built.subarray(0xd00, 0xeec)).toEqual(edd.eddbuf);
    expect(built.subarray(0xeec)).toEqual(new Uint8Array(276));
    // Only the memory size in the middle of screen_info is ours.
    expect(hexOf(built.subarray(0, 64))).toBe(`77770000${"77".repeat(60)}`);
    expect(screenInfo).toEqual(new Uint8Array(64).fill(0x77));
  });

  test("more than 128 ranges: the table is full and does not run into eddbuf", () => {
    const many = Array.from({ length: 200 }, (_, i) => ({
      start: BigInt(i) << 30n,
      end: (BigInt(i) << 30n) + 0x1000n,
      type: "reserved" as const,
    }));
    const built = buildBootParams({ ...input, e820: buildE820(many) });
    expect(built[0x1e8]).toBe(128);
    const view = new DataView(built.buffer);
    expect(view.getBigUint64(0x2d0 + 127 * 20, true)).toBe(127n << 30n);
    expect(hexOf(built.subarray(0xcd0, 0xd00))).toBe("00".repeat(48));
  });

  test.each<[string, MemoryRange[], number, number]>([
    ["none", [], 0, 0],
    ["none at 1 MiB", [{ start: 0x200000n, end: 0x400000n, type: "ram" }], 0, 0],
    ["up to 1 MiB", [{ start: 0n, end: 0x100000n, type: "ram" }], 0, 0],
    ["reserved", [{ start: 0n, end: 0x400000n, type: "reserved" }], 0, 0],
    ["3 MiB", [{ start: 0x100000n, end: 0x400000n, type: "ram" }], 0xbff, 0xbff],
    ["from below", [{ start: 0x1000n, end: 0x400000n, type: "ram" }], 0xbff, 0xbff],
    ["63 MiB", [{ start: 0x100000n, end: 0x4000400n, type: "ram" }], 0xfc00, 0xfc00],
    ["8 TiB", [{ start: 0x100000n, end: 1n << 43n, type: "ram" }], 0xfc00, 0xffffffff],
  ])("memory above 1 MiB: %s", (_, ranges, ext, alt) => {
    const built = buildBootParams({ ...input, e820: buildE820(ranges) });
    const view = new DataView(built.buffer);
    expect(view.getUint16(0x002, true)).toBe(ext);
    expect(view.getUint32(0x1e0, true)).toBe(alt);
  });

  test.each([
    [0, 0, "a PC"],
    [1, 0, "lguest"],
    [2, 0, "Xen: the next kernel has the bare machine"],
    [3, 3, "Intel MID"],
    [4, 4, "CE4100"],
    [5, 0, "unknown"],
  ])("hardware_subarch %p becomes %p (%s)", (subarch, expected) => {
    const running = new Uint8Array(4096);
    running[0x23c] = subarch;
    const built = buildBootParams({ ...input, running });
    expect(SetupHeader.read(built).hardware_subarch).toBe(expected);
  });
});
