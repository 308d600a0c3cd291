import { describe, expect, test } from "bun:test";
import { buildEddTables, EddInfo } from "../../../../src/arch/x86-64/handoff/edd-info.ts";
import { hexOf } from "../../../../src/core/bytes.ts";
import type { EddDevice } from "../../../../src/model/x86-64.ts";

const disk = (device: number, change: Partial<EddDevice> = {}): EddDevice => ({
  device,
  version: 0x30,
  interfaceSupport: 0x0005,
  legacyMaxCylinder: 0x03fe,
  legacyMaxHead: 0xfe,
  legacySectorsPerTrack: 0x3f,
  rawData: Uint8Array.of(0x1a, 0x00, 0x02),
  mbrSignature: 0x12345678,
  ...change,
});

describe("buildEddTables", () => {
  test("one disk, written out by hand", () => {
    const tables = buildEddTables([disk(0x80)]);
    expect(tables.eddbuf_entries).toBe(1);
    expect(tables.edd_mbr_sig_buf_entries).toBe(1);
    expect(hexOf(tables.eddbuf)).toBe(
      `80300500fe03fe3f1a0002${"00".repeat(71)}${"00".repeat(5 * 82)}`,
    );
    expect(hexOf(tables.edd_mbr_sig_buffer)).toBe(`78563412${"00".repeat(60)}`);
    expect(tables.notes).toEqual([]);
  });

  test("no disks: empty tables", () => {
    const tables = buildEddTables([]);
    expect(tables).toEqual({
      eddbuf_entries: 0,
      eddbuf: new Uint8Array(492),
      edd_mbr_sig_buf_entries: 0,
      edd_mbr_sig_buffer: new Uint8Array(64),
      notes: [],
    });
  });

  test("a disk without a signature does not shift the signature of the next", () => {
    const tables = buildEddTables([
      disk(0x80, { mbrSignature: null }),
      disk(0x81, { mbrSignature: 0xdeadbeef }),
    ]);
    expect(tables.edd_mbr_sig_buf_entries).toBe(2);
    expect(hexOf(tables.edd_mbr_sig_buffer)).toStartWith("00000000efbeadde");
  });

  test("the order of the devices does not matter", () => {
    const one = buildEddTables([disk(0x81), disk(0x80, { mbrSignature: 7 })]);
    const other = buildEddTables([disk(0x80, { mbrSignature: 7 }), disk(0x81)]);
    expect(one).toEqual(other);
    expect(EddInfo.read(one.eddbuf, 82).device).toBe(0x81);
  });

  test("sixteen disks: parameters of six, signatures of all, ten notes", () => {
    const tables = buildEddTables(
      Array.from({ length: 16 }, (_, i) => disk(0x80 + i, { mbrSignature: i + 1 })),
    );
    expect(tables.eddbuf_entries).toBe(6);
    expect(tables.eddbuf.length).toBe(6 * 82);
    expect(tables.edd_mbr_sig_buf_entries).toBe(16);
    expect(hexOf(tables.edd_mbr_sig_buffer)).toEndWith("0f00000010000000");
    expect(tables.notes.length).toBe(10);
    expect(tables.notes[0]).toContain("0x86");
  });

  test("a device of which only the signature is known", () => {
    const tables = buildEddTables([disk(0x87, { version: 0, mbrSignature: 1 })]);
    expect(tables.eddbuf_entries).toBe(0);
    expect(tables.edd_mbr_sig_buf_entries).toBe(8);
    expect(tables.notes).toEqual([]);
  });

  test.each([0x00, 0x7f, 0x90, 0xff])("drive %p has no entry", (device) => {
    const tables = buildEddTables([disk(device)]);
    expect(tables.eddbuf_entries).toBe(0);
    expect(tables.edd_mbr_sig_buf_entries).toBe(0);
    expect(tables.notes.length).toBe(1);
  });

  test("raw data longer than the field is cut, shorter is filled with 0", () => {
    const long = buildEddTables([disk(0x80, { rawData: new Uint8Array(100).fill(9) })]);
    expect(EddInfo.read(long.eddbuf).params).toEqual(new Uint8Array(74).fill(9));
    expect(EddInfo.read(long.eddbuf, 82).device).toBe(0);
    const none = buildEddTables([disk(0x80, { rawData: new Uint8Array(0) })]);
    expect(EddInfo.read(none.eddbuf).params).toEqual(new Uint8Array(74));
  });
});
