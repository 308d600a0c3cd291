/** bzip2, by seek-bzip: JavaScript, which checks every block's and stream's checksum. */

import Bunzip from "seek-bzip";
import { hex } from "../core/address.ts";
import { startsWith } from "../core/bytes.ts";
import { KexecError } from "../core/error.ts";
import { type Expanded, wrapperError } from "../core/expand.ts";
import { Output } from "../core/output.ts";

const FORMAT = "bzip2";
/** "BZh" */
const MAGIC = Uint8Array.of(0x42, 0x5a, 0x68);
/** The size of blocks behind it, in 100 kB: the digits from 1 to 9. */
const LEVEL_MIN = 0x31;
const LEVEL_MAX = 0x39;
const GATHERED = 1 << 16;

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

/** Gathers single bytes, which `Output` takes faster together. */
class Sink {
  readonly #output: Output;
  readonly #bytes = new Uint8Array(GATHERED);
  #length = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  writeByte(byte: number): void {
    if (this.#length === GATHERED) this.flush();
    this.#bytes[this.#length] = byte;
    this.#length += 1;
  }

  /** @throws KexecError `image.wrapper` beyond the limit */
  flush(): void {
    this.#output.add(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
  }
}

/** Whether a stream begins there; bzip2 looks at no more than these four bytes. */
function isStream(bytes: Uint8Array, at: number): boolean {
  const level = bytes[at + MAGIC.length] ?? 0;
  return startsWith(bytes.subarray(at), MAGIC) && level >= LEVEL_MIN && level <= LEVEL_MAX;
}

/**
 * Expands all streams that follow one another; what comes behind is ignored.
 * @throws KexecError `image.wrapper` where it is damaged or larger than `limit` bytes
 */
export function expandBzip2(bytes: Uint8Array, limit: number): Expanded {
  const output = new Output(FORMAT, limit);
  const sink = new Sink(output);
  const source = new Source(bytes, 0);
  do {
    try {
      Bunzip.decode(source, sink);
      sink.flush();
    } catch (error) {
      if (error instanceof KexecError) throw error;
      // It throws TypeErrors with its own words; whatever else it throws, damage is the cause.
      const why = error instanceof Error ? error.message : String(error);
      throw wrapperError(FORMAT, `damaged before offset ${hex(source.at)}: ${why}`, error);
    }
  } while (isStream(bytes, source.at));
  return { bytes: output.done(), end: source.at };
}
