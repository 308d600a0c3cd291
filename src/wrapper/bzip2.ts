/** bzip2, by seek-bzip: JavaScript, which checks every block's and stream's checksum. */

import Bunzip from "seek-bzip";
import { hex } from "../core/address.ts";
import { hexOf } from "../core/bytes.ts";
import { KexecError } from "../core/error.ts";
import { type Expanded, wrapperError } from "../core/expand.ts";
import { Output } from "./output.ts";

const FORMAT = "bzip2";
/** `BZh`, the size of blocks, and how a block begins, or the end of a stream without any:
 * hexadecimal. */
const START = /^425a683[1-9](?:314159265359|177245385090)$/;
const START_LENGTH = 10;

/** Knows how far it was read, and does not end silently. */
class Source extends Bunzip.Stream {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    super();
    this.#bytes = bytes;
    this.at = at;
  }

  override readByte(): number {
    const byte = this.#bytes[this.at];
    if (byte === undefined) throw wrapperError(FORMAT, `cut short at offset ${hex(this.at)}`);
    this.at += 1;
    return byte;
  }
}

function isStream(bytes: Uint8Array, at: number): boolean {
  return START.test(hexOf(bytes.subarray(at, at + START_LENGTH)));
}

/**
 * Expands all streams that follow one another; what comes behind is ignored.
 * @throws KexecError `image.wrapper` where it is damaged or larger than `limit` bytes
 */
export function expandBzip2(bytes: Uint8Array, limit: number): Expanded {
  const output = new Output(FORMAT, limit);
  const sink = { writeByte: (byte: number) => output.push(byte) };
  const source = new Source(bytes, 0);
  do {
    try {
      Bunzip.decode(source, sink);
    } catch (error) {
      if (error instanceof KexecError) throw error;
      // It throws TypeErrors with its own words; whatever else it throws, damage is the cause.
      const why = error instanceof Error ? error.message : String(error);
      throw wrapperError(FORMAT, `damaged before offset ${hex(source.at)}: ${why}`, error);
    }
  } while (isStream(bytes, source.at));
  return { bytes: output.done(), end: source.at };
}
