import { describe, expect, test } from "bun:test";
import { expandLzma } from "../../src/edge/ffi/lzma.ts";
import { expandPayload } from "../../src/wrapper/payload.ts";
import { sizeBytes } from "../images/make-payload.ts";
import { refusal } from "../kexec-error.ts";
import { pattern } from "../plan/pieces.ts";
import { bzip2, lz4Legacy, packedBy } from "./make-wrapped.ts";

const CONTENT = new Uint8Array(Buffer.concat([pattern(70000), new Uint8Array(90000)]));
const SIZE = CONTENT.length;

const withSize = (data: Uint8Array): Uint8Array =>
  new Uint8Array(Buffer.concat([data, sizeBytes(SIZE)]));

/** As the kernel's build packs its own: all but gzip with the size behind the data.
 * [linux scripts/Makefile.lib] */
const PAYLOADS: Readonly<Record<string, () => Uint8Array>> = {
  gzip: () => packedBy(["gzip", "-n", "-c", "-9"], CONTENT),
  bzip2: () => withSize(bzip2(CONTENT)),
  lzma: () => withSize(packedBy(["xz", "--format=lzma", "-c"], CONTENT)),
  xz: () => withSize(packedBy(["xz", "--check=crc32", "--x86", "--lzma2=", "-c"], CONTENT)),
  "lz4 (legacy)": () => withSize(lz4Legacy(CONTENT)),
  zstd: () => withSize(packedBy(["zstd", "-22", "--ultra", "-c"], CONTENT)),
};
const NAMES = Object.keys(PAYLOADS);
const payload = (name: string): Uint8Array => PAYLOADS[name]?.() ?? new Uint8Array(0);
const expand = (bytes: Uint8Array, size = SIZE) => expandPayload(bytes, size, expandLzma);

describe.each(NAMES)("%s", (name) => {
  const packed = payload(name);

  test("expands to its size", () => {
    expect(expand(packed)).toEqual({ bytes: CONTENT, format: name });
  });

  test("refuses another size", () => {
    expect(refusal(() => expand(packed, SIZE - 1)).code).toBe("image.wrapper");
    expect(refusal(() => expand(packed, SIZE + 1)).message).toContain(
      `expands to ${SIZE} bytes, ${SIZE + 1} are needed`,
    );
  });

  test("refuses data behind it, and data that are cut short", () => {
    const longer = new Uint8Array(Buffer.concat([packed, new Uint8Array(8)]));
    expect(refusal(() => expand(longer)).name).toBe("KexecError");
    const half = packed.subarray(0, packed.length / 2);
    expect(refusal(() => expand(half)).name).toBe("KexecError");
  });
});

test("an unknown format, such as lzo, is refused", () => {
  const lzo = Uint8Array.of(0x89, 0x4c, 0x5a, 0x4f, 0, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0);
  expect(refusal(() => expand(lzo)).message).toContain("compressed in an unknown format");
});

test.each(["xz", "lzma"])("%s is refused where there is no liblzma", (name) => {
  const error = refusal(() => expandPayload(payload(name), SIZE, () => null));
  expect(error.message).toBe("xz or lzma: the system has no liblzma.so.5 that can expand it");
});

test("liblzma expands xz where there is one", () => {
  const packed = payload("xz");
  const given: number[] = [];
  const { bytes } = expandPayload(packed, SIZE, (data, limit) => {
    given.push(data.length, limit);
    return { bytes: CONTENT, end: data.length };
  });
  expect([bytes, given]).toEqual([CONTENT, [packed.length - 4, SIZE]]);
});
