/** What a file is wrapped in, by its first bytes. Apart from what unwraps it, which loading an
 * ordinary kernel does without. */

import { isZboot } from "./zboot.ts";

/** Stands for any byte. */
const ANY = -1;

/** A lone LZMA header has no magic: properties 0x5d and a dictionary of a multiple of 64 KiB are
 * what every compressor writes. bzip2's fourth byte is the size of its blocks, and what follows
 * begins the first one: three letters alone say too little. */
const MAGICS = {
  gzip: [0x1f, 0x8b, 8],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
  xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0],
  lzma: [0x5d, 0, 0],
  bzip2: [0x42, 0x5a, 0x68, ANY, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59],
  lz4: [0x04, 0x22, 0x4d, 0x18],
  "lz4 (legacy)": [0x02, 0x21, 0x4c, 0x18],
} as const;

export type Compression = keyof typeof MAGICS;
const COMPRESSIONS = Object.keys(MAGICS) as Compression[];

/** The outermost wrapper of a file, or null where it has none. */
export function wrapperOf(bytes: Uint8Array): Compression | "EFI zboot" | null {
  if (isZboot(bytes)) return "EFI zboot";
  const has = (name: Compression) =>
    MAGICS[name].every((byte, i) => byte === ANY || bytes[i] === byte);
  return COMPRESSIONS.find(has) ?? null;
}
