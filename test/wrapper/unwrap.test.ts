/** Wrappers: every format made by its own tool's library or by hand, then cut, damaged, and too
 * large. */

import { describe, expect, test } from "bun:test";
import * as zlib from "node:zlib";
import { joined } from "../../src/core/bytes.ts";
import { KexecError } from "../../src/core/error.ts";
import { expandLzma } from "../../src/edge/ffi/lzma.ts";
import { expandModule, unwrap } from "../../src/wrapper/unwrap.ts";
import { makeBzImage } from "../images/make-bzimage.ts";
import { orRefusal } from "../kexec-error.ts";
import { bzip2, LZMA_OF_ZEROS, lz4Frame, lz4Legacy, XZ_OF_ZEROS, zboot } from "./make-wrapped.ts";

const IMAGE = makeBzImage();
const gzip = (bytes: Uint8Array) => new Uint8Array(zlib.gzipSync(bytes));
const zstd = (bytes: Uint8Array) => new Uint8Array(zlib.zstdCompressSync(bytes));

const FORMATS = [
  { name: "gzip", wrapped: gzip(IMAGE), inner: IMAGE },
  { name: "zstd", wrapped: zstd(IMAGE), inner: IMAGE },
  { name: "bzip2", wrapped: bzip2(IMAGE), inner: IMAGE },
  { name: "lz4", wrapped: lz4Frame(IMAGE), inner: IMAGE },
  { name: "lz4 (legacy)", wrapped: lz4Legacy(IMAGE), inner: IMAGE },
  { name: "xz", wrapped: XZ_OF_ZEROS, inner: new Uint8Array(100_000) },
  { name: "lzma", wrapped: LZMA_OF_ZEROS, inner: new Uint8Array(100_000) },
];

const outcome = (bytes: Uint8Array) => orRefusal(() => unwrap(bytes, expandLzma, 1 << 20).bytes);

describe("each format", () => {
  for (const { name, wrapped, inner } of FORMATS) {
    test(`${name}: expands, and says so`, () => {
      const { bytes, notes } = unwrap(wrapped, expandLzma);
      expect(Buffer.compare(bytes, inner)).toBe(0);
      expect(notes).toEqual([`${name}, ${wrapped.length} -> ${inner.length} bytes`]);
    });

    test(`${name}: a limit is kept`, () => {
      const limited = () => unwrap(wrapped, expandLzma, inner.length - 1);
      expect(limited).toThrow(/expands to more than/);
      expect(unwrap(wrapped, expandLzma, inner.length).bytes.length).toBe(inner.length);
    });

    test(`${name}: cut at any length it is refused, or was no longer of this format`, () => {
      const step = Math.max(1, Math.floor(wrapped.length / 400));
      for (let length = 8; length < wrapped.length; length += step) {
        const cut = wrapped.subarray(0, length);
        const got = outcome(cut);
        if (got instanceof KexecError) expect(got.code).toMatch(/^(image|struct)\./);
        else expect(got).toBe(cut);
      }
    });

    test(`${name}: a changed byte never crashes it`, () => {
      for (let at = 0; at < Math.min(wrapped.length, 64); at += 1) {
        for (const flip of [0x01, 0x80, 0xff]) {
          const bytes = wrapped.slice();
          bytes[at] = (bytes[at] ?? 0) ^ flip;
          const got = outcome(bytes);
          if (got instanceof KexecError) expect(got.code).toMatch(/^(image|struct)\./);
        }
      }
    });
  }
});

describe("where the system has no liblzma", () => {
  test.each([
    ["xz", XZ_OF_ZEROS],
    ["lzma", LZMA_OF_ZEROS],
  ])("%s is expanded all the same", (name, wrapped) => {
    const { bytes, notes } = unwrap(wrapped, () => null);
    expect(Buffer.compare(bytes, new Uint8Array(100_000))).toBe(0);
    expect(notes).toEqual([`${name}, ${wrapped.length} -> 100000 bytes`]);
    expect(() => unwrap(wrapped, () => null, 99_999)).toThrow(/more than 99999 bytes/);
  });
});

describe("modules", () => {
  const OTHER = new Uint8Array([0, 0, 0, 0, 0x30, 0x37]);

  test.each(FORMATS)("$name: expanded once, and says so", ({ name, wrapped, inner }) => {
    const { bytes, notes } = expandModule(wrapped, expandLzma);
    expect(Buffer.compare(bytes, inner)).toBe(0);
    expect(notes).toEqual([`${name}, ${wrapped.length} -> ${inner.length} bytes`]);
    const twice = expandModule(gzip(wrapped), expandLzma);
    expect(Buffer.compare(twice.bytes, wrapped)).toBe(0);
  });

  test("zeros may follow; with other data it stays as it is", () => {
    const padded = joined([gzip(IMAGE), new Uint8Array(100)]);
    expect(expandModule(padded, expandLzma).bytes.length).toBe(IMAGE.length);
    for (const pack of [gzip, zstd, bzip2]) {
      const archives = joined([pack(IMAGE), OTHER]);
      const { bytes, notes } = expandModule(archives, expandLzma);
      expect(bytes).toBe(archives);
      const [note = ""] = notes;
      expect(note).toStartWith("not expanded: other data follow its ");
      expect(note).toEndWith(` data at offset 0x${pack(IMAGE).length.toString(16)}`);
    }
  });

  test("what is damaged, too large, in no compression, or an EFI zboot stays as it is", () => {
    const packed = gzip(IMAGE);
    const cut = packed.subarray(0, packed.length - 9);
    const damaged = expandModule(cut, expandLzma);
    expect(damaged.bytes).toBe(cut);
    expect(damaged.notes[0]).toStartWith("not expanded: gzip: ");
    const large = expandModule(packed, expandLzma, IMAGE.length - 1);
    expect(large.bytes).toBe(packed);
    expect(large.notes[0]).toContain("expands to more than");
    for (const file of [IMAGE, zboot(packed, "gzip"), new Uint8Array()]) {
      expect(expandModule(file, expandLzma)).toEqual({ bytes: file, notes: [] });
    }
  });
});

describe("layers", () => {
  test("an image that is not wrapped is the same array", () => {
    expect(unwrap(IMAGE, expandLzma)).toEqual({ bytes: IMAGE, notes: [] });
    expect(unwrap(IMAGE, expandLzma).bytes).toBe(IMAGE);
  });

  test("gzip of an EFI zboot of zstd", () => {
    const inner = zboot(zstd(IMAGE), "zstd");
    const { bytes, notes } = unwrap(gzip(inner), expandLzma);
    expect(Buffer.compare(bytes, IMAGE)).toBe(0);
    expect(notes.map((note) => note.split(",")[0])).toEqual(["gzip", "EFI zboot", "zstd"]);
  });

  test("an EFI zboot whose payload lies outside is refused", () => {
    const file = zboot(gzip(IMAGE), "gzip");
    expect(() => unwrap(file.subarray(0, file.length - 1), expandLzma)).toThrow(/EFI zboot: /);
  });

  test.each([
    ["in the header", 63, /^EFI zboot: its header places the kernel in the header, at 0x3f$/],
    ["at the start of the file", 0, /in the header, at 0x0$/],
    ["behind the end", 1 << 20, /its header places the kernel at 0x100000, .* bytes; the file has/],
  ])("an EFI zboot whose payload lies %s is refused", (_, offset, message) => {
    const file = zboot(gzip(IMAGE), "gzip");
    new DataView(file.buffer).setUint32(8, offset, true);
    expect(() => unwrap(file, expandLzma)).toThrow(message);
  });

  test("an EFI zboot is expanded by what it contains; if that is unknown, its name is said", () => {
    const named = zboot(zstd(IMAGE), "zstd22");
    expect(Buffer.compare(unwrap(named, expandLzma).bytes, IMAGE)).toBe(0);
    const lzo = zboot(Uint8Array.of(0x89, 0x4c, 0x5a, 0x4f, 0, 0x0d, 0x0a), "lzo");
    const as = "is in no known compression";
    expect(() => unwrap(lzo, expandLzma)).toThrow(
      `EFI zboot: the kernel at offset 0x200, "lzo" by its header, ${as}`,
    );
    const noise = zboot(Uint8Array.of(1, 2, 3), "\x1b[2J");
    expect(() => unwrap(noise, expandLzma)).toThrow(`EFI zboot: the kernel at offset 0x200 ${as}`);
  });

  test("five are too many, four are not", () => {
    const wrapped = [1, 2, 3, 4].reduce((bytes) => gzip(bytes), IMAGE);
    expect(unwrap(wrapped, expandLzma).notes.length).toBe(4);
    expect(() => unwrap(gzip(wrapped), expandLzma)).toThrow(/more than 4/);
  });

  test("members and frames that follow one another are joined, all else is ignored", () => {
    const twice = joined([IMAGE, IMAGE]);
    const garbage = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const pack of [gzip, zstd, bzip2]) {
      const { bytes } = unwrap(joined([pack(IMAGE), pack(IMAGE), garbage]), expandLzma);
      expect(Buffer.compare(bytes, twice)).toBe(0);
    }
    const { bytes } = unwrap(joined([XZ_OF_ZEROS, XZ_OF_ZEROS, garbage]), expandLzma);
    expect(bytes.length).toBe(200_000);
  });

  test("64 MiB of zeros beyond a limit of 1 MiB are refused", () => {
    const bomb = new Uint8Array(64 << 20);
    for (const pack of [gzip, zstd, bzip2]) {
      expect(() => unwrap(pack(bomb), expandLzma, 1 << 20)).toThrow(/more than 1048576 bytes/);
    }
  });
});
