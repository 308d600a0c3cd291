/**
 * Expands xz and lzma with the system's liblzma, which most distributions install because their
 * packages are compressed with it. It is two to three times faster than our own code in wrapper/,
 * and is opened only for a file that needs it.
 * [lzma lzma/base.h] [lzma lzma/container.h]
 */

import { type FFIFunction, FFIType } from "bun:ffi";
import { hex } from "../../core/address.ts";
import {
  type CheckStart,
  type Expanded,
  isXz,
  nextXzStream,
  wrapperError,
} from "../../core/expand.ts";
import { Output } from "../../core/output.ts";
import { defineStruct, u64 } from "../../core/struct.ts";
import { type Functions, openLibrary } from "./library.ts";
import { addressOf, keeping } from "./pointer.ts";

const NAME = "liblzma.so.5";
const PROTOTYPES = {
  /** lzma_ret lzma_auto_decoder(lzma_stream *, uint64_t memlimit, uint32_t flags) */
  lzma_auto_decoder: { args: [FFIType.u64, FFIType.u64, FFIType.u32], returns: FFIType.i32 },
  /** lzma_ret lzma_code(lzma_stream *, lzma_action) */
  lzma_code: { args: [FFIType.u64, FFIType.i32], returns: FFIType.i32 },
  /** void lzma_end(lzma_stream *) */
  lzma_end: { args: [FFIType.u64], returns: FFIType.void },
} as const satisfies Record<string, FFIFunction>;

const LzmaStream = defineStruct("lzma_stream", 136, {
  next_in: u64(0),
  avail_in: u64(8),
  total_in: u64(16),
  next_out: u64(24),
  avail_out: u64(32),
  total_out: u64(40),
});

const LZMA_RUN = 0;
const LZMA_OK = 0;
const LZMA_STREAM_END = 1;
/** liblzma reports a checksum type that it was built without, instead of skipping the check. */
const LZMA_TELL_UNSUPPORTED_CHECK = 2;
/** In bytes: 192 MiB, enough for a dictionary of 128 MiB, the largest that kernels are compressed
 * with. [linux scripts/xz_wrap.sh] */
const MEMORY_LIMIT = 3n << 26n;
/** The most bytes that one call of lzma_code writes: 16 MiB. */
const PIECE = 1 << 24;
/** Statuses that say what this build of liblzma cannot do, and our own code may do:
 * LZMA_UNSUPPORTED_CHECK, LZMA_MEMLIMIT_ERROR (too large a dictionary) and LZMA_OPTIONS_ERROR (an
 * unknown filter). Our own code needs no dictionary memory, and its error names the filter. */
const NOT_BY_THIS_LIBRARY: ReadonlySet<number> = new Set([3, 6, 8]);
const REASONS: ReadonlyMap<number, string> = new Map([
  [5, "there is not enough memory"],
  [7, "not in this format"],
  [9, "damaged"],
  [10, "cut short"],
]);
const FORMAT = "xz or lzma";

/** The functions of liblzma; null where it cannot be opened, or lacks one of them. */
function liblzma(): Functions<typeof PROTOTYPES> | null {
  const library = openLibrary(NAME);
  if ("failure" in library) return null;
  const isWhole = Object.keys(PROTOTYPES).every((name) => library.has(name));
  return isWhole ? library.functions(PROTOTYPES) : null;
}

/** Expands one stream; returns its length in bytes, or null where this build of liblzma cannot
 * expand it. @throws KexecError `image.wrapper` */
function expandStream(
  lzma: Functions<typeof PROTOTYPES>,
  input: Uint8Array,
  output: Output,
): number | null {
  const stream = new Uint8Array(new ArrayBuffer(LzmaStream.size));
  LzmaStream.write(stream, { next_in: addressOf(input), avail_in: BigInt(input.length) });
  const at = addressOf(stream);
  let status = lzma.lzma_auto_decoder(at, MEMORY_LIMIT, LZMA_TELL_UNSUPPORTED_CHECK);
  try {
    while (status === LZMA_OK) {
      const space = output.space(PIECE);
      LzmaStream.write(stream, { next_out: addressOf(space), avail_out: BigInt(space.length) });
      // With truncated input the second call makes no progress and returns LZMA_BUF_ERROR.
      // SAFETY: the structure, input and space are kept until the call returns, and the sizes are
      // theirs. Fails with: any status but LZMA_OK and LZMA_STREAM_END.
      status = keeping([stream, input, space], () => lzma.lzma_code(at, LZMA_RUN));
      output.wrote(space.length - Number(LzmaStream.read(stream).avail_out));
    }
  } finally {
    lzma.lzma_end(at);
  }
  const { total_in } = LzmaStream.read(stream);
  if (NOT_BY_THIS_LIBRARY.has(status)) return null;
  if (status === LZMA_STREAM_END) return Number(total_in);
  const why = REASONS.get(status) ?? `liblzma says ${status}`;
  throw wrapperError(FORMAT, `at offset ${hex(total_in)}: ${why}`);
}

/**
 * Expands `.xz` (all its streams, with the padding between them) and `.lzma`, and ignores the bytes
 * that follow.
 * @param limit the most bytes that the expanded data may have in all
 * @returns null where the system has no liblzma, or one that cannot expand this file
 * @throws KexecError `image.wrapper` where the data is damaged or expands beyond `limit`
 */
export function expandLzma(
  bytes: Uint8Array,
  limit: number,
  checkStart?: CheckStart,
): Expanded | null {
  const lzma = liblzma();
  if (lzma === null) return null;
  const output = new Output(FORMAT, limit, checkStart);
  let end = 0;
  for (let start: number | null = 0; start !== null; ) {
    const taken = expandStream(lzma, bytes.subarray(start), output);
    if (taken === null) return null;
    end = start + taken;
    start = isXz(bytes) ? nextXzStream(bytes, end) : null;
  }
  return { bytes: output.done(), end };
}
