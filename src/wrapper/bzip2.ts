/** bzip2, expanded by seek-bzip (JavaScript), which checks the checksum of every block and
 * stream. */

import Bunzip from "seek-bzip";
import { hex } from "../core/address.ts";
import { startsWith } from "../core/bytes.ts";
import { KexecError } from "../core/error.ts";
import { type CheckStart, type Expanded, wrapperError } from "../core/expand.ts";
import { Output } from "../core/output.ts";

const FORMAT = "bzip2";
/** "BZh" */
const MAGIC = Uint8Array.of(0x42, 0x5a, 0x68);
/** The fourth byte of a stream: its block size in units of 100 kB, a digit from 1 to 9. */
const LEVEL_MIN = 0x31;
const LEVEL_MAX = 0x39;
const GATHERED = 1 << 16;

/** An input that knows its position, and throws at its end instead of returning EOF. */
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

/** Collects single bytes and passes them to `Output` in pieces of 64 KiB, which is faster. */
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

/** True if a stream begins at `at`. bzip2 also looks at these four bytes only. */
function isStream(bytes: Uint8Array, at: number): boolean {
  const level = bytes[at + MAGIC.length] ?? 0;
  return startsWith(bytes.subarray(at), MAGIC) && level >= LEVEL_MIN && level <= LEVEL_MAX;
}

/**
 * Expands all consecutive streams; other data after them are ignored.
 * @throws KexecError `image.wrapper` where the data are damaged or expand to more than `limit`
 *   bytes
 */
export function expandBzip2(bytes: Uint8Array, limit: number, checkStart?: CheckStart): Expanded {
  const output = new Output(FORMAT, limit, checkStart);
  const sink = new Sink(output);
  const source = new Source(bytes, 0);
  do {
    try {
      Bunzip.decode(source, sink);
      sink.flush();
    } catch (error) {
      if (error instanceof KexecError) throw error;
      // seek-bzip throws TypeErrors for damage that it detects, and other errors for damage that it
      // does not detect.
      const why = error instanceof Error ? error.message : String(error);
      throw wrapperError(FORMAT, `damaged before offset ${hex(source.at)}: ${why}`, error);
    }
  } while (isStream(bytes, source.at));
  return { bytes: output.done(), end: source.at };
}
