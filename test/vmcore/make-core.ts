/** Cores made for tests: headers of either class and byte order, vmcoreinfo, a log in memory. */

export type LogKind = "ringbuffer" | "records" | "plain";

export interface CoreOptions {
  readonly kind: LogKind;
  /** Bits of the ELF headers; 64 unless given. */
  readonly elf?: 32 | 64;
  /** Of the kernel: x86_64 unless given. */
  readonly machine?: number;
  readonly bigEndian?: boolean;
  /** Of p_vaddr: as in memory, or all 0, which leaves only physical addresses. */
  readonly virtual?: "kept" | "zero";
  /** Records, oldest first. */
  readonly records: readonly LogRecord[];
  /** The ring's bytes and the number of its descriptors, both as powers of two. */
  readonly sizeBits?: number;
  readonly countBits?: number;
  /** The id of the first record, and where the text of the first one lies. */
  readonly firstId?: bigint;
  readonly firstPosition?: number;
  /** Lets a text end exactly where the ring does, as Linux 6.19 and later. */
  readonly exactEnd?: boolean;
  /** Changes vmcoreinfo's lines. */
  readonly vmcoreinfo?: (lines: readonly string[]) => readonly string[];
}

export interface LogRecord {
  readonly text: Uint8Array | string;
  readonly time?: bigint;
  /** In the ring: finalized unless given. */
  readonly state?: number;
  /** In the ring: no room for a text was found. */
  readonly dataless?: boolean;
}

/** Where things lie: the kernel's own data, and memory that it maps one to one. */
export const DATA = { virtual: 0xffffffff82000000n, physical: 0x3000000n, size: 0x1000 } as const;
export const MAPPED = { virtual: 0xffff888004000000n, physical: 0x4000000n } as const;
const PHYS_BASE = DATA.physical - (DATA.virtual - 0xffffffff80000000n);
const EM_X86_64 = 62;

/** Numbers of the kernel that died. */
class Image {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #little: boolean;
  readonly pointerSize: 4 | 8;

  constructor(size: number, little: boolean, pointerSize: 4 | 8) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
    this.#little = little;
    this.pointerSize = pointerSize;
  }

  u16 = (at: number, value: number) => this.#view.setUint16(at, value, this.#little);
  u32 = (at: number, value: number) => this.#view.setUint32(at, value, this.#little);
  u64 = (at: number, value: bigint) => this.#view.setBigUint64(at, value, this.#little);
  ulong(at: number, value: bigint): void {
    if (this.pointerSize === 8) this.u64(at, BigInt.asUintN(64, value));
    else this.u32(at, Number(BigInt.asUintN(32, value)));
  }
}

const bytesOfText = (text: Uint8Array | string): Uint8Array =>
  typeof text === "string" ? new Uint8Array(Buffer.from(text, "latin1")) : text;

interface Memory {
  readonly data: Image;
  readonly mapped: Image;
  readonly lines: readonly string[];
}

type Make = (size: number) => Image;

const symbolLine = (name: string, at: number, base: bigint): string =>
  `SYMBOL(${name})=${(base + BigInt(at)).toString(16)}`;

/** Positions of texts as Linux gives them out. */
function nextBlock(options: CoreOptions, position: number, text: number, word: number) {
  const size = 1 << (options.sizeBits ?? 12);
  const need = Math.ceil((word + text) / word) * word;
  const last = position + need - (options.exactEnd ? 1 : 0);
  if (Math.floor(position / size) === Math.floor(last / size)) {
    return { at: position % size, next: position + need };
  }
  return { at: 0, next: Math.floor((position + need) / size) * size + need };
}

const offsetsFor = (word: number) => ({
  "printk_ringbuffer.desc_ring": 0,
  "printk_ringbuffer.text_data_ring": 6 * word,
  "prb_desc_ring.count_bits": 0,
  "prb_desc_ring.descs": word,
  "prb_desc_ring.infos": 2 * word,
  "prb_desc_ring.head_id": 3 * word,
  "prb_desc_ring.tail_id": 4 * word,
  "prb_data_ring.size_bits": 0,
  "prb_data_ring.data": word,
  "atomic_long_t.counter": 0,
  "prb_desc.state_var": 0,
  "prb_desc.text_blk_lpos": word,
  "prb_data_blk_lpos.begin": 0,
  "prb_data_blk_lpos.next": word,
  "printk_info.seq": 0,
  "printk_info.ts_nsec": 8,
  "printk_info.text_len": 16,
});

interface RingPlaces {
  readonly sizes: { readonly desc: number; readonly info: number };
  readonly infos: number;
  readonly text: number;
  readonly first: bigint;
}

function putRecords(options: CoreOptions, mapped: Image, places: RingPlaces): void {
  const { sizes, infos, text, first } = places;
  const word = mapped.pointerSize;
  const ids = word * 8 - 2;
  const count = 1 << (options.countBits ?? 5);
  let position = options.firstPosition ?? 0;
  options.records.forEach((record, i) => {
    const id = BigInt.asUintN(ids, first + BigInt(i));
    const slot = Number(id % BigInt(count));
    const bytes = bytesOfText(record.text);
    const desc = slot * sizes.desc;
    mapped.ulong(desc, (BigInt(record.state ?? 2) << BigInt(ids)) | id);
    const info = infos + slot * sizes.info;
    mapped.u64(info, BigInt(i));
    mapped.u64(info + 8, record.time ?? BigInt(i) * 1_234_567_891n);
    mapped.u16(info + 16, bytes.length);
    if (record.dataless) {
      mapped.ulong(desc + word, 3n);
      mapped.ulong(desc + 2 * word, 3n);
      return;
    }
    const { at, next } = nextBlock(options, position, bytes.length, word);
    mapped.ulong(desc + word, BigInt(position));
    mapped.ulong(desc + 2 * word, BigInt(next));
    mapped.ulong(text + at, id);
    mapped.bytes.set(bytes, text + at + word);
    position = next;
  });
}

function makeRingbuffer(options: CoreOptions, make: Make, bases: Bases): Memory {
  const { records, sizeBits = 12, countBits = 5 } = options;
  const data = make(DATA.size);
  const word = data.pointerSize;
  const count = 1 << countBits;
  const sizes = { ringbuffer: 12 * word, desc: 3 * word, info: 88 };
  const [infos, text] = [count * sizes.desc, count * (sizes.desc + sizes.info)];
  const mapped = make(text + (1 << sizeBits));
  const [prb, ring] = [0x40, 0x80];
  data.ulong(prb, bases.data + BigInt(ring));
  data.u32(ring, countBits);
  data.ulong(ring + word, bases.mapped);
  data.ulong(ring + 2 * word, bases.mapped + BigInt(infos));
  const first = options.firstId ?? BigInt(count);
  const ids = word * 8 - 2;
  data.ulong(ring + 3 * word, BigInt.asUintN(ids, first + BigInt(records.length - 1)));
  data.ulong(ring + 4 * word, BigInt.asUintN(ids, first));
  data.u32(ring + 6 * word, sizeBits);
  data.ulong(ring + 7 * word, bases.mapped + BigInt(text));
  putRecords(options, mapped, { sizes, infos, text, first });
  const lines = [
    symbolLine("prb", prb, bases.data),
    `SIZE(printk_ringbuffer)=${sizes.ringbuffer}`,
    `SIZE(prb_desc)=${sizes.desc}`,
    `SIZE(printk_info)=${sizes.info}`,
    ...Object.entries(offsetsFor(word)).map(([name, offset]) => `OFFSET(${name})=${offset}`),
  ];
  return { data, mapped, lines };
}
function makeRecords(options: CoreOptions, make: Make, bases: Bases): Memory {
  const data = make(DATA.size);
  const size = 1 << (options.sizeBits ?? 12);
  const mapped = make(size);
  const header = 16;
  let at = options.firstPosition ?? 0;
  const first = at;
  options.records.forEach((record, i) => {
    const bytes = bytesOfText(record.text);
    const length = Math.ceil((header + bytes.length) / 8) * 8;
    // A header without a length ends the buffer, and always finds room.
    if (at + length + header > size) at = 0;
    mapped.u64(at, record.time ?? BigInt(i) * 1_234_567_891n);
    mapped.u16(at + 8, length);
    mapped.u16(at + 10, bytes.length);
    mapped.bytes.set(bytes, at + header);
    at += length;
  });
  const word = data.pointerSize;
  data.ulong(0, bases.mapped);
  data.u32(word, size);
  data.u32(word + 4, first);
  data.u32(word + 8, at);
  const lines = [
    symbolLine("log_buf", 0, bases.data),
    symbolLine("log_buf_len", word, bases.data),
    symbolLine("log_first_idx", word + 4, bases.data),
    symbolLine("log_next_idx", word + 8, bases.data),
    "SIZE(printk_log)=16",
    "OFFSET(printk_log.ts_nsec)=0",
    "OFFSET(printk_log.len)=8",
    "OFFSET(printk_log.text_len)=10",
  ];
  return { data, mapped, lines };
}

function makePlain(options: CoreOptions, make: Make, bases: Bases): Memory {
  const data = make(DATA.size);
  const size = 1 << (options.sizeBits ?? 12);
  const mapped = make(size);
  let end = options.firstPosition ?? 0;
  for (const record of options.records) {
    for (const byte of [...bytesOfText(record.text), 10]) {
      mapped.bytes[end % size] = byte;
      end += 1;
    }
  }
  const word = data.pointerSize;
  data.ulong(0, bases.mapped);
  data.u32(word, size);
  data.u32(word + 4, end);
  data.u32(word + 8, end);
  const lines = [
    symbolLine("log_buf", 0, bases.data),
    symbolLine("log_buf_len", word, bases.data),
    symbolLine("log_end", word + 4, bases.data),
    symbolLine("logged_chars", word + 8, bases.data),
  ];
  return { data, mapped, lines };
}

export interface Bases {
  readonly data: bigint;
  readonly mapped: bigint;
}

const MAKERS = { ringbuffer: makeRingbuffer, records: makeRecords, plain: makePlain };

const BITS_32: readonly number[] = [3, 20, 40];
const BITS_64: readonly number[] = [21, 50, 62, 183];

function pointerSizeOf(machine: number, elf: 32 | 64): 4 | 8 {
  if (BITS_32.includes(machine)) return 4;
  return elf === 64 || BITS_64.includes(machine) ? 8 : 4;
}

function noteBytes(make: Make, text: string): Uint8Array {
  const name = Buffer.from("CORE\0\0\0\0VMCOREINFO\0\0", "latin1");
  const bytes = Buffer.from(text, "latin1");
  const note = make(12 + 8 + 4 + 12 + 12 + Math.ceil(bytes.length / 4) * 4 + 4);
  note.u32(0, 5);
  note.u32(4, 4);
  note.u32(8, 1);
  note.bytes.set(name.subarray(0, 8), 12);
  note.u32(24, 11);
  note.u32(28, bytes.length);
  note.bytes.set(name.subarray(8), 36);
  note.bytes.set(bytes, 48);
  return note.bytes;
}

function putHeader({ elf = 64, machine = EM_X86_64, bigEndian }: CoreOptions, core: Image): void {
  const wide = elf === 64;
  const [headerSize, entrySize] = wide ? [64, 56] : [52, 32];
  core.bytes.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, bigEndian ? 2 : 1, 1]);
  core.u16(16, 4);
  core.u16(18, machine);
  core.u32(20, 1);
  if (wide) core.u64(32, BigInt(headerSize));
  else core.u32(28, headerSize);
  core.u16(wide ? 54 : 42, entrySize);
  core.u16(wide ? 56 : 44, 3);
}

/** What a core of the usual kind is made of. */
export interface CoreParts {
  /** Lines of vmcoreinfo. */
  readonly lines: readonly string[];
  /** The kernel's own data, at `DATA`. */
  readonly data: Uint8Array;
  /** Memory that it maps, at `MAPPED`. */
  readonly mapped: Uint8Array;
}

/** For cores of another form; of x86_64, unless other addresses are given. */
export function coreParts(
  options: CoreOptions,
  bases: Bases = { data: DATA.virtual, mapped: MAPPED.virtual },
): CoreParts {
  const make: Make = (size) => new Image(size, true, 8);
  const { data, mapped, lines } = MAKERS[options.kind](options, make, bases);
  const told = [...lines, `NUMBER(phys_base)=${PHYS_BASE}`];
  return { lines: told, data: data.bytes, mapped: mapped.bytes };
}

/** The bytes of a core file. */
export function makeCore(options: CoreOptions): Uint8Array {
  const { kind, elf = 64, machine = EM_X86_64 } = options;
  const pointerSize = pointerSizeOf(machine, elf);
  const make: Make = (size) => new Image(size, !options.bigEndian, pointerSize);
  const cut = (address: bigint) => BigInt.asUintN(pointerSize * 8, address);
  const bases = { data: cut(DATA.virtual), mapped: cut(MAPPED.virtual) };
  const { data, mapped, lines } = MAKERS[kind](options, make, bases);
  const usual = ["OSRELEASE=test", ...lines, `NUMBER(phys_base)=${PHYS_BASE}`, "CRASHTIME=1"];
  const note = noteBytes(make, (options.vmcoreinfo?.(usual) ?? usual).join("\n"));
  const wide = elf === 64;
  const [headerSize, entrySize] = wide ? [64, 56] : [52, 32];
  const noteAt = headerSize + 3 * entrySize;
  const dataAt = Math.ceil((noteAt + note.length) / 64) * 64;
  const mappedAt = dataAt + data.bytes.length;
  const core = make(mappedAt + mapped.bytes.length);
  putHeader(options, core);
  const kept = options.virtual !== "zero";
  const rows = [
    [4, noteAt, 0n, 0n, note.length],
    [1, dataAt, kept ? bases.data : 0n, DATA.physical, data.bytes.length],
    [1, mappedAt, kept ? bases.mapped : 0n, MAPPED.physical, mapped.bytes.length],
  ] as const;
  rows.forEach(([type, offset, virtual, physical, size], i) => {
    const at = headerSize + i * entrySize;
    core.u32(at, type);
    const words = [BigInt(offset), virtual, physical, BigInt(size), BigInt(size)];
    words.forEach((word, j) => {
      if (wide) core.u64(at + 8 + j * 8, word);
      else core.u32(at + 4 + j * 4, Number(BigInt.asUintN(32, word)));
    });
  });
  core.bytes.set(note, noteAt);
  core.bytes.set(data.bytes, dataAt);
  core.bytes.set(mapped.bytes, mappedAt);
  return core.bytes;
}
