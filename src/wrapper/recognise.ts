/** Recognises the wrapper of a file by its first bytes. It is separate from unwrap.ts so that
 * loading an ordinary kernel does not load the decoders. */

import { Reader } from "../core/bytes.ts";
import { isLzmaHeader } from "./lzma-header.ts";
import { isZboot } from "./zboot.ts";

/** Stands for any byte. */
const ANY = -1;

/** The first bytes of each format. bzip2's magic has three letters, which are too few: its fourth
 * byte is the block size, and the next six begin the first block or end an empty stream. An LZMA
 * header has no magic; most have properties 0x5d and a dictionary of a multiple of 64 KiB
 * (lzma-header.ts). */
const MAGICS = {
  gzip: [[0x1f, 0x8b, 8]],
  zstd: [[0x28, 0xb5, 0x2f, 0xfd]],
  xz: [[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
  lzma: [[0x5d, 0, 0]],
  bzip2: [
    [0x42, 0x5a, 0x68, ANY, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59],
    [0x42, 0x5a, 0x68, ANY, 0x17, 0x72, 0x45, 0x38, 0x50, 0x90],
  ],
  lz4: [[0x04, 0x22, 0x4d, 0x18]],
  "lz4 (legacy)": [[0x02, 0x21, 0x4c, 0x18]],
} as const;

export type Compression = keyof typeof MAGICS;
const COMPRESSIONS = Object.keys(MAGICS) as Compression[];

/** The upper 28 bits of a skippable frame's magic number, in files of zstd and of lz4. [rfc 8878]
 * 3.1.2 [lz4 doc/lz4_Frame_format.md] */
const SKIPPABLE = 0x184d2a5;
const SKIPPABLE_HEADER = 8;

/**
 * Where the skippable frame at `at` ends; null where none begins there.
 * @throws KexecError `struct.truncated` where the file ends first
 */
export function skippedFrame(reader: Reader, at: number): number | null {
  if (reader.u32(at) >>> 4 !== SKIPPABLE) return null;
  const end = at + SKIPPABLE_HEADER + reader.u32(at + 4);
  reader.slice(at, end - at);
  return end;
}

/** `bytes` without the skippable frames at its start, which pzstd writes. */
function behindSkippable(bytes: Uint8Array): Uint8Array {
  const reader = new Reader(bytes, "skippable frame");
  let at = 0;
  while (at + SKIPPABLE_HEADER <= bytes.length && reader.u32(at) >>> 4 === SKIPPABLE) {
    at += SKIPPABLE_HEADER + reader.u32(at + 4);
  }
  return bytes.subarray(at);
}

/** The outermost wrapper of a file, or null where it has none. */
export function wrapperOf(bytes: Uint8Array): Compression | "EFI zboot" | null {
  if (isZboot(bytes)) return "EFI zboot";
  const frame = behindSkippable(bytes);
  const has = (name: Compression) => {
    const start = name === "zstd" || name === "lz4" ? frame : bytes;
    return MAGICS[name].some((magic) =>
      magic.every((byte, i) => byte === ANY || start[i] === byte),
    );
  };
  return COMPRESSIONS.find(has) ?? (isLzmaHeader(bytes) ? "lzma" : null);
}
