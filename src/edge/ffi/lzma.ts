/**
 * xz and lzma, by the system's liblzma, which most systems have for their packages: it is two to
 * three times faster than our own code in wrapper/. It is opened only for a file that needs it.
 * [lzma lzma/base.h] [lzma lzma/container.h]
 */

import { type FFIFunction, FFIType } from "bun:ffi";
import { hex } from "../../core/address.ts";
import { joined, startsWith } from "../../core/bytes.ts";
import { type Expanded, tooLarge, wrapperError } from "../../core/expand.ts";
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
/** The largest dictionary that xz makes by itself is 64 MiB; this leaves room for 1 GiB. */
const MEMORY_LIMIT = 3n << 29n;
const PIECE = 1 << 20;
const REASONS: ReadonlyMap<number, string> = new Map([
  [5, "there is not enough memory"],
  [6, "it needs too much memory"],
  [7, "no such format"],
  [8, "options that this liblzma does not know"],
  [9, "damaged"],
  [10, "cut short"],
]);
/** XZ streams may follow one another. */
const XZ_MAGIC = Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0);

const FORMAT = "xz or lzma";

/** null where the system has none that can be opened, or one without these functions. */
function liblzma(): Functions<typeof PROTOTYPES> | null {
  const library = openLibrary(NAME);
  if ("failure" in library) return null;
  const isWhole = Object.keys(PROTOTYPES).every((name) => library.has(name));
  return isWhole ? library.functions(PROTOTYPES) : null;
}

/** Expands one stream into `pieces`; returns how many bytes of `input` it took. */
function expandStream(
  lzma: Functions<typeof PROTOTYPES>,
  input: Uint8Array,
  limit: number,
  pieces: Uint8Array[],
): number {
  const stream = new Uint8Array(new ArrayBuffer(LzmaStream.size));
  LzmaStream.write(stream, { next_in: addressOf(input), avail_in: BigInt(input.length) });
  const at = addressOf(stream);
  let status = lzma.lzma_auto_decoder(at, MEMORY_LIMIT, 0);
  let room = limit;
  while (status === LZMA_OK) {
    const piece = new Uint8Array(new ArrayBuffer(PIECE));
    LzmaStream.write(stream, { next_out: addressOf(piece), avail_out: BigInt(PIECE) });
    // Input that ends early makes no progress the second time: LZMA_BUF_ERROR.
    // SAFETY: the structure, input and piece are kept until the call returns, with their true
    // sizes. Fails with: a status other than the two above.
    status = keeping([stream, input, piece], () => lzma.lzma_code(at, LZMA_RUN));
    const { avail_out } = LzmaStream.read(stream);
    const made = PIECE - Number(avail_out);
    pieces.push(piece.subarray(0, made));
    room -= made;
    if (room < 0) break;
  }
  const { total_in } = LzmaStream.read(stream);
  lzma.lzma_end(at);
  if (room < 0) throw tooLarge(FORMAT, limit);
  if (status !== LZMA_STREAM_END) {
    const why = REASONS.get(status) ?? `liblzma says ${status}`;
    throw wrapperError(FORMAT, `at offset ${hex(total_in)}: ${why}`);
  }
  return Number(total_in);
}

/**
 * Expands `.xz` (all its streams) and `.lzma`; what follows is ignored.
 * @returns null where the system has no liblzma
 * @throws KexecError `image.wrapper` where it is damaged or larger than `limit` bytes
 */
export function expandLzma(bytes: Uint8Array, limit: number): Expanded | null {
  const lzma = liblzma();
  if (lzma === null) return null;
  const pieces: Uint8Array[] = [];
  let at = 0;
  do {
    const made = pieces.reduce((sum, { length }) => sum + length, 0);
    at += expandStream(lzma, bytes.subarray(at), limit - made, pieces);
  } while (startsWith(bytes.subarray(at), XZ_MAGIC));
  return { bytes: joined(pieces), end: at };
}
