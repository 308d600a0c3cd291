/** `.lzma` files, and LZMA2 inside `.xz`, where the system has no liblzma.
 * [lzma-sdk DOC/lzma-specification.txt] [linux lib/xz/xz_dec_lzma2.c] */

import { hex } from "../core/address.ts";
import { Reader } from "../core/bytes.ts";
import { type CheckStart, type Expanded, wrapperError } from "../core/expand.ts";
import { Output } from "../core/output.ts";
import { LzmaDecoder } from "./lzma-decoder.ts";
import { isDictionarySize, LZMA_HEADER, lzmaProperties, UNKNOWN_SIZE } from "./lzma-header.ts";
import { RangeDecoder } from "./range-decoder.ts";

/**
 * Expands an `.lzma` file; other data after it are ignored.
 * @throws KexecError `image.wrapper`, `struct.truncated`
 */
export function expandLzmaFile(
  bytes: Uint8Array,
  limit: number,
  checkStart?: CheckStart,
): Expanded {
  const reader = new Reader(bytes, "lzma");
  const properties = lzmaProperties(reader.u8(0));
  if (properties === null) throw wrapperError("lzma", "damaged before offset 0x1");
  const dictionarySize = reader.u32(1);
  if (!isDictionarySize(dictionarySize)) {
    throw wrapperError("lzma", `${dictionarySize} at offset 0x1 is not a dictionary size`);
  }
  const size = reader.u64(5);
  const output = new Output("lzma", limit, checkStart);
  const decoder = new LzmaDecoder(output, dictionarySize);
  decoder.setProperties(properties);
  const range = new RangeDecoder(bytes, LZMA_HEADER, bytes.length, "lzma");
  if (size === UNKNOWN_SIZE) decoder.decode(range, Number.POSITIVE_INFINITY);
  else if (decoder.decode(range, Number(size))) throw range.damaged();
  // Where the header has the size, an encoder may leave out the end marker.
  else if (!range.isFinished && !decoder.isEndMarker(range)) throw range.damaged();
  if (!range.isFinished) throw range.damaged();
  return { bytes: output.done(), end: range.at };
}

// The control bytes of LZMA2's chunks; from LZMA on, bits 5 and 6 say what the chunk resets.
const END = 0;
const COPY_RESET = 1;
const COPY = 2;
const LZMA = 0x80;
/** From this value on the state is reset, from the next one also the properties, from the third one
 * also the dictionary. */
const RESET_STATE = 0xa0;
const RESET_PROPERTIES = 0xc0;
const RESET_DICTIONARY = 0xe0;

/** What the chunks so far have set up. */
interface Lzma2State {
  readonly decoder: LzmaDecoder;
  hasDictionary: boolean;
  hasProperties: boolean;
}

/** Expands the chunk whose control byte is `control`, at `at`; returns where the next chunk
 * begins. */
function expandChunk(
  reader: Reader,
  at: number,
  control: number,
  state: Lzma2State,
  output: Output,
): number {
  const damaged = (offset: number) => wrapperError("xz", `damaged before offset ${hex(offset)}`);
  if (control > COPY && control < LZMA) throw damaged(at + 1);
  if (control === COPY_RESET || control >= RESET_DICTIONARY) {
    state.decoder.resetDictionary();
    state.hasDictionary = true;
    state.hasProperties = false;
  }
  if (!state.hasDictionary) throw damaged(at + 1);
  const big = new Reader(reader.bytes, "xz", false);
  if (control < LZMA) {
    const size = big.u16(at + 1) + 1;
    output.add(reader.slice(at + 3, size));
    return at + 3 + size;
  }
  const size = (((control & 0x1f) << 16) | big.u16(at + 1)) + 1;
  const compressed = big.u16(at + 3) + 1;
  let from = at + 5;
  if (control >= RESET_PROPERTIES) {
    const properties = lzmaProperties(reader.u8(from));
    from += 1;
    if (properties === null) throw damaged(from);
    state.decoder.setProperties(properties);
    state.hasProperties = true;
  } else if (!state.hasProperties) {
    throw damaged(at + 1);
  } else if (control >= RESET_STATE) {
    state.decoder.resetState();
  }
  const end = from + compressed;
  const range = new RangeDecoder(reader.bytes, from, end, "xz");
  const marked = state.decoder.decode(range, output.length + size);
  if (marked || range.at !== end || !range.isFinished) throw range.damaged();
  return end;
}

/**
 * Expands the chunks that begin at `start`; returns the offset after the last one.
 * @throws KexecError `image.wrapper`, `struct.truncated`
 */
export function expandLzma2(
  reader: Reader,
  start: number,
  dictionarySize: number,
  output: Output,
): number {
  const decoder = new LzmaDecoder(output, dictionarySize);
  const state = { decoder, hasDictionary: false, hasProperties: false };
  for (let at = start; ; ) {
    const control = reader.u8(at);
    if (control === END) return at + 1;
    at = expandChunk(reader, at, control, state, output);
  }
}
