/** What a kexec gave to kexec_load: its segments as memory, and the zero page among them. */

import { Reader, textUntilNul } from "../../src/core/bytes.ts";
import { Elf64_Ehdr, Elf64_Phdr, PT_LOAD } from "../../src/core/elf.ts";
import type { StructValue } from "../../src/core/struct.ts";
import { type FakeMachine, type Outcome, runKexec } from "./harness.ts";
import { segmentBytes } from "./stopped-load.ts";
import type { KexecSegment } from "./strace-log.ts";

export interface LoadedBytes {
  readonly outcome: Outcome;
  /** Of each segment. */
  readonly memory: readonly Uint8Array[];
}

export interface Loaded {
  readonly outcome: Outcome;
  readonly segments: readonly KexecSegment[];
  /** Bytes of memory from `address` on, which lie in one segment. */
  at(address: bigint, size: number): Uint8Array;
  readonly zeroPage: Reader;
  readonly zeroPageAt: bigint;
}

const HEADER_MAGIC = 0x53726448;

export async function loadBytes(
  binary: string,
  argv: readonly string[],
  machine: FakeMachine,
): Promise<LoadedBytes> {
  let memory: readonly Uint8Array[] = [];
  const outcome = await runKexec(binary, argv, {
    machine,
    whenStopped: (stopped) => {
      memory = segmentBytes(stopped);
    },
  });
  return { outcome, memory };
}

/** @throws Error where there is not exactly one zero page */
export async function load(
  binary: string,
  argv: readonly string[],
  machine: FakeMachine,
): Promise<Loaded> {
  const { outcome, memory } = await loadBytes(binary, argv, machine);
  const segments = outcome.calls.flatMap((call) =>
    call.name === "kexec_load" ? call.segments : [],
  );
  const pieces = segments.map(({ mem }, i) => ({
    start: mem,
    bytes: memory[i] ?? new Uint8Array(),
  }));
  const found = pieces.filter(({ bytes }) => {
    return bytes.length >= 4096 && new Reader(bytes, "segment").u32(0x202) === HEADER_MAGIC;
  });
  const [page] = found;
  if (page === undefined || found.length !== 1) throw new Error(`${found.length} zero pages`);
  return {
    outcome,
    segments,
    at(address, size) {
      if (size === 0) return new Uint8Array();
      const piece = pieces.findLast(({ start }) => start <= address);
      if (piece === undefined) throw new Error(`nothing is loaded at 0x${address.toString(16)}`);
      const offset = Number(address - piece.start);
      const bytes = new Uint8Array(size);
      bytes.set(piece.bytes.subarray(offset, offset + size));
      return bytes;
    },
    zeroPage: new Reader(page.bytes.subarray(0, 4096), "zero page"),
    zeroPageAt: page.start,
  };
}

/** The two halves of an address or size. [zero-page] */
const wide = (page: Reader, low: number, high: number): bigint =>
  BigInt(page.u32(low)) | (BigInt(page.u32(high)) << 32n);

export const commandLineOf = ({ at, zeroPage }: Loaded): string =>
  textUntilNul(at(wide(zeroPage, 0x228, 0x0c8), 4096));

export function initrdOf({ at, zeroPage }: Loaded): Uint8Array {
  return at(wide(zeroPage, 0x218, 0x0c0), Number(wide(zeroPage, 0x21c, 0x0c4)));
}

/** [type, data] of each node of the setup_data list. [x86-boot] 0x250 */
export function setupDataOf({ at, zeroPage }: Loaded): [number, Uint8Array][] {
  const nodes: [number, Uint8Array][] = [];
  for (let address = zeroPage.u64(0x250); address !== 0n; ) {
    const head = new Reader(at(address, 16), "setup_data");
    nodes.push([head.u32(8), at(address + 16n, head.u32(12))]);
    address = head.u64(0);
  }
  return nodes;
}

export interface E820Line {
  readonly start: bigint;
  readonly end: bigint;
  readonly type: number;
}

const SETUP_E820_EXT = 1;

/** The memory that the next kernel is told of: the zero page's entries, and those behind. */
export function e820Of(loaded: Loaded): E820Line[] {
  const entry = (reader: Reader, at: number): E820Line => {
    const start = reader.u64(at);
    return { start, end: start + reader.u64(at + 8), type: reader.u32(at + 16) };
  };
  const count = loaded.zeroPage.u8(0x1e8);
  const first = Array.from({ length: count }, (_, i) => entry(loaded.zeroPage, 0x2d0 + i * 20));
  const more = setupDataOf(loaded).flatMap(([type, data]) => {
    if (type !== SETUP_E820_EXT) return [];
    const reader = new Reader(data, "SETUP_E820_EXT");
    return Array.from({ length: data.length / 20 }, (_, i) => entry(reader, i * 20));
  });
  return [...first, ...more];
}

export type Header = StructValue<typeof Elf64_Phdr.fields>;

export interface CoreHeader {
  readonly at: bigint;
  /** Bytes of memory. */
  readonly size: bigint;
  readonly file: StructValue<typeof Elf64_Ehdr.fields>;
  readonly headers: readonly Header[];
  /** Where the saved memory will be; null where none is saved. */
  readonly backup: bigint | null;
}

const ELF_MAGIC = 0x464c457f;

/** True for memory that is not where it was. */
export const isMoved = ({ p_type, p_offset, p_paddr }: Header): boolean =>
  p_type === PT_LOAD && p_offset !== p_paddr;

/** @throws Error where there is not exactly one core header */
export function coreHeaderOf({ segments, at }: Loaded): CoreHeader {
  const found = segments.filter(
    ({ mem, bufsz }) => bufsz >= 64n && new Reader(at(mem, 4), "segment").u32(0) === ELF_MAGIC,
  );
  const [segment] = found;
  if (segment === undefined || found.length !== 1) throw new Error(`${found.length} core headers`);
  const bytes = at(segment.mem, Number(segment.bufsz));
  const file = Elf64_Ehdr.read(bytes);
  const headers = Array.from({ length: file.e_phnum }, (_, i) =>
    Elf64_Phdr.read(bytes, 64 + i * 56),
  );
  const backup = headers.find(isMoved)?.p_offset ?? null;
  return { at: segment.mem, size: segment.memsz, file, headers, backup };
}
