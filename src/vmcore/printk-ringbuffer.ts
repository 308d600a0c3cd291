/**
 * The log of Linux 5.10 and later: a ring of descriptors, each with its state and the position of
 * its text in a ring of bytes, and a parallel array with the time and the length of each record.
 * [linux kernel/printk/printk_ringbuffer.h]
 */

import { type FirstError, vmcoreError } from "./first-error.ts";
import { escaped, type LogText, timeText } from "./log-text.ts";
import type { CoreMemory } from "./memory.ts";
import type { Vmcoreinfo } from "./vmcoreinfo.ts";

/** The largest exponent of a ring's size. The kernel's largest log has 2^31 bytes, and a descriptor
 * for each 32 bytes. kexec-tools accepts at most 2^30 of both. */
const BITS_MAX = 31;
/** The most bytes of a structure here; the kernel's have some hundred bytes. */
const STRUCT_MAX = 1 << 16;
/** After this many consecutive descriptors that hold no record or cannot be read, the rest of the
 * ring counts as missing. Each of the kernel's writers leaves at most one such descriptor. */
const EMPTY_MAX = 1 << 18;
const COMMITTED = 1n;
const FINALIZED = 2n;

/** The offsets in the kernel's structures, from vmcoreinfo. */
type Layout = ReturnType<typeof layoutOf>;

/** @throws KexecError where vmcoreinfo lacks a line, or an offset is outside its structure */
function layoutOf(info: Vmcoreinfo, ulongSize: number) {
  const read = (name: string, max: number): number => {
    const value = info.decimal(name);
    if (value === null) throw vmcoreError(`Missing the ${name} export`, 65);
    if (value > max) throw vmcoreError(`vmcoreinfo is damaged: ${name}=${value}`, 65);
    return Number(value);
  };
  const size = (name: string) => read(`SIZE(${name})`, STRUCT_MAX);
  const sizes = {
    ringbuffer: size("printk_ringbuffer"),
    desc: size("prb_desc"),
    info: size("printk_info"),
  };
  const field = (name: string, base: number, within: number, width: number) =>
    base + read(`OFFSET(${name})`, within - base - width);
  const { ringbuffer, desc, info: infoSize } = sizes;
  const whole = (name: string, base: number, width = ulongSize) =>
    field(name, base, ringbuffer, width);
  const descRing = whole("printk_ringbuffer.desc_ring", 0);
  const textRing = whole("printk_ringbuffer.text_data_ring", 0);
  const counter = read("OFFSET(atomic_long_t.counter)", STRUCT_MAX);
  const block = field("prb_desc.text_blk_lpos", 0, desc, ulongSize);
  return {
    sizes,
    countBits: whole("prb_desc_ring.count_bits", descRing, 4),
    descs: whole("prb_desc_ring.descs", descRing),
    infos: whole("prb_desc_ring.infos", descRing),
    headId: whole("prb_desc_ring.head_id", descRing + counter),
    tailId: whole("prb_desc_ring.tail_id", descRing + counter),
    sizeBits: whole("prb_data_ring.size_bits", textRing, 4),
    data: whole("prb_data_ring.data", textRing),
    state: field("prb_desc.state_var", counter, desc, ulongSize),
    begin: field("prb_data_blk_lpos.begin", block, desc, ulongSize),
    next: field("prb_data_blk_lpos.next", block, desc, ulongSize),
    time: field("printk_info.ts_nsec", 0, infoSize, 8),
    textLength: field("printk_info.text_len", 0, infoSize, 2),
  };
}

interface Ring {
  readonly layout: Layout;
  readonly count: bigint;
  readonly descs: bigint;
  readonly infos: bigint;
  readonly data: bigint;
  readonly dataSize: bigint;
  readonly head: bigint;
  readonly tail: bigint;
  /** The bits of an id: those of an `unsigned long` except the two bits of the state. */
  readonly idBits: number;
}

/** @throws KexecError */
function readRing(memory: CoreMemory, info: Vmcoreinfo, symbol: bigint): Ring {
  const { pointerSize } = memory.header;
  const layout = layoutOf(info, pointerSize);
  const size = layout.sizes.ringbuffer;
  const line = () => `Failed to read prb of size ${size} bytes`;
  const bytes = memory.need(memory.pointer(symbol), size, line, 65);
  const bits = (offset: number, max: number, what: string): bigint => {
    const value = memory.reader(bytes, what).u32(offset);
    if (value > max) throw vmcoreError(`The printk ringbuffer is damaged: ${what} ${value}`, 65);
    return 1n << BigInt(value);
  };
  const idBits = pointerSize * 8 - 2;
  return {
    layout,
    count: bits(layout.countBits, BITS_MAX, "count_bits"),
    descs: memory.ulong(bytes, layout.descs),
    infos: memory.ulong(bytes, layout.infos),
    data: memory.ulong(bytes, layout.data),
    dataSize: bits(layout.sizeBits, BITS_MAX, "size_bits"),
    head: BigInt.asUintN(idBits, memory.ulong(bytes, layout.headId)),
    tail: BigInt.asUintN(idBits, memory.ulong(bytes, layout.tailId)),
    idBits,
  };
}

/**
 * Where a record's text is in the data ring; null where it has none. Positions only grow. A block
 * that would cross the ring's end begins at the ring's start instead; one that ends exactly at the
 * ring's end does not, but only kernels since 6.19 place such a block. A block begins with the
 * record's id, an `unsigned long`; the text follows.
 */
function textAt(
  begin: bigint,
  next: bigint,
  length: number,
  size: bigint,
  ulongSize: bigint,
): { readonly offset: bigint; readonly length: number } | null {
  const first = begin % size;
  const end = next % size === 0n ? size : next % size;
  if (first === next % size) return null;
  const offset = (first > end ? 0n : first) + ulongSize;
  const room = end > offset ? end - offset : 0n;
  return { offset, length: room < BigInt(length) ? Number(room) : length };
}

/**
 * Prints the log. Records that cannot be read are left out, and the first error is kept.
 * @throws KexecError where the ring itself cannot be read, or too many records are missing
 */
export function printRingbuffer(
  memory: CoreMemory,
  info: Vmcoreinfo,
  symbol: bigint,
  out: LogText,
  firstError: FirstError,
): void {
  const ring = readRing(memory, info, symbol);
  let span = BigInt.asUintN(ring.idBits, ring.head - ring.tail);
  if (span >= ring.count) {
    firstError.keep(() =>
      vmcoreError(
        `The printk ringbuffer is damaged: ids ${ring.tail} to ${ring.head}`,
        68,
        `It has room for ${ring.count} records.`,
      ),
    );
    span = ring.count - 1n;
  }
  let empty = 0;
  for (let back = span; back >= 0n; back -= 1n) {
    const id = BigInt.asUintN(ring.idBits, ring.head - back);
    empty = printRecord(memory, ring, id, out, firstError) ? 0 : empty + 1;
    if (empty > EMPTY_MAX) {
      const message = `The printk ringbuffer is damaged: ${empty} descriptors hold no record`;
      throw vmcoreError(message, 68, "They are consecutive; the rest of the ring was not read.");
    }
  }
}

/** Prints the record `id`; false where its descriptor holds none, or cannot be read. */
function printRecord(
  memory: CoreMemory,
  ring: Ring,
  id: bigint,
  out: LogText,
  firstError: FirstError,
): boolean {
  const { layout, count } = ring;
  const slot = id % count;
  const read = (array: "descs" | "infos", size: number): Uint8Array | null => {
    const address = BigInt.asUintN(64, ring[array] + slot * BigInt(size));
    const bytes = memory.read(address, size);
    if (bytes.length === size) return bytes;
    const line = () => `Failed to read ${array} of size ${count * BigInt(size)} bytes`;
    firstError.keep(() => memory.failure(address, size, line, 65));
    return null;
  };
  const desc = read("descs", layout.sizes.desc);
  if (desc === null) return false;
  const state = memory.ulong(desc, layout.state);
  const flags = state >> BigInt(ring.idBits);
  if (BigInt.asUintN(ring.idBits, state) !== id) return false;
  if (flags !== COMMITTED && flags !== FINALIZED) return false;
  const info = read("infos", layout.sizes.info);
  if (info === null) return false;
  const reader = memory.reader(info, "printk_info");
  const place = textAt(
    memory.ulong(desc, layout.begin),
    memory.ulong(desc, layout.next),
    reader.u16(layout.textLength),
    ring.dataSize,
    BigInt(memory.header.pointerSize),
  );
  const text = place === null ? new Uint8Array(0) : readText(memory, ring, place, firstError);
  out.add(`${timeText(reader.u64(layout.time))}${escaped(text)}\n`);
  return true;
}

function readText(
  memory: CoreMemory,
  ring: Ring,
  { offset, length }: { readonly offset: bigint; readonly length: number },
  firstError: FirstError,
): Uint8Array {
  const address = BigInt.asUintN(64, ring.data + offset);
  const text = memory.read(address, length);
  if (text.length < length) {
    const line = () => `Failed to read text_data of size ${ring.dataSize} bytes`;
    firstError.keep(() => memory.failure(address, length, line, 65));
  }
  return text;
}
