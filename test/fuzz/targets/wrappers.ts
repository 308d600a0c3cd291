/** What files are compressed with: each format by itself, one inside the other, and EFI zboot. */

import type { Expand } from "../../../src/core/expand.ts";
import { expandBzip2 } from "../../../src/wrapper/bzip2.ts";
import { expandGzip, expandZstd } from "../../../src/wrapper/deflate-zstd.ts";
import { expandLz4 } from "../../../src/wrapper/lz4.ts";
import { expandLzmaFile } from "../../../src/wrapper/lzma.ts";
import { expandModule, unwrap } from "../../../src/wrapper/unwrap.ts";
import { expandXz } from "../../../src/wrapper/xz.ts";
import { pattern } from "../../plan/pieces.ts";
import {
  LZMA_OF_ZEROS,
  lz4Frame,
  lz4Legacy,
  XZ_OF_ZEROS,
  zboot,
} from "../../wrapper/make-wrapped.ts";
import { bytesTarget } from "../target.ts";

/** Bytes that one case may expand to. */
const LIMIT = 1 << 20;

/** Repeats, so that there are matches to damage. */
const CONTENT = new Uint8Array(Buffer.concat([pattern(700), pattern(900), new Uint8Array(2000)]));

/** "hello hello hello hello\n" by bzip2 1.0.8. */
const BZIP2 = new Uint8Array(
  Buffer.from("QlpoOTFBWSZTWSMhfQMAAAXZgAAQQAAQABJkkBAgACIGjajIDAlrs1CYfF3JFOFCQjIX0DA=", "base64"),
);

const gzip = (bytes: Uint8Array): Uint8Array => new Uint8Array(Bun.gzipSync(bytes.slice()));
const zstd = (bytes: Uint8Array): Uint8Array => new Uint8Array(Bun.zstdCompressSync(bytes));
const twice = (bytes: Uint8Array): Uint8Array => new Uint8Array(Buffer.concat([bytes, bytes]));
const withPadding = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(Buffer.concat([bytes, new Uint8Array(8), bytes]));

const SEEDS: Readonly<Record<string, () => Uint8Array[]>> = {
  gzip: () => [gzip(CONTENT), twice(gzip(CONTENT))],
  zstd: () => [zstd(CONTENT), twice(zstd(CONTENT))],
  lz4: () => [lz4Frame(CONTENT), lz4Legacy(CONTENT), twice(lz4Frame(CONTENT))],
  xz: () => [XZ_OF_ZEROS, withPadding(XZ_OF_ZEROS)],
  lzma: () => [LZMA_OF_ZEROS],
  bzip2: () => [BZIP2, twice(BZIP2)],
};
const EXPAND: Readonly<Record<string, Expand>> = {
  gzip: expandGzip,
  zstd: expandZstd,
  lz4: expandLz4,
  xz: expandXz,
  lzma: expandLzmaFile,
  bzip2: expandBzip2,
};

function held(expand: Expand, bytes: Uint8Array): void {
  const { bytes: made, end } = expand(bytes, LIMIT);
  if (made.length > LIMIT) throw new Error(`${made.length} bytes came out, the limit is ${LIMIT}`);
  if (end > bytes.length) throw new Error(`it ends at ${end} of ${bytes.length} bytes`);
}

const all = (): Uint8Array[] => [
  ...Object.values(SEEDS).flatMap((make) => make()),
  gzip(zstd(CONTENT)),
  zboot(gzip(CONTENT), "gzip"),
  zboot(zstd(CONTENT), "zstd22"),
];

export const WRAPPERS = [
  ...Object.entries(EXPAND).map(([name, expand]) =>
    bytesTarget(`wrapper/${name}`, SEEDS[name] ?? all, (bytes) => held(expand, bytes)),
  ),
  bytesTarget("wrapper/unwrap", all, (bytes) => unwrap(bytes, () => null, LIMIT)),
  bytesTarget("wrapper/module", all, (bytes) => expandModule(bytes, () => null, LIMIT)),
];
