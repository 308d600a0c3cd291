/**
 * nbi-x86: network boot images, made for Etherboot: a kernel, its initrd and a loader, each at an
 * address in the image's header. They are entered in real mode, or in 32-bit mode if the header
 * says so. They get an empty BOOTP reply, and cannot return to a boot loader. [nbi]
 */

import { alignDown, alignUp, hex, MIB } from "../../../core/address.ts";
import { Reader, Writer } from "../../../core/bytes.ts";
import { NoRoom } from "../../../core/no-room.ts";
import { normalize, type Range, subtract } from "../../../core/range.ts";
import { refuseFixed } from "../../../image/refuse-fixed.ts";
import type { X8664EntryState } from "../../../model/entry-state.ts";
import {
  type DraftPlan,
  type ImageType,
  notMine,
  type PlanContext,
} from "../../../model/image-type.ts";
import type { Segment } from "../../../model/load-plan.ts";
import type { MemoryRange } from "../../../model/memory.ts";
import {
  LOW_MEMORY_END,
  LOWEST_ADDRESS,
  LOWEST_ADDRESS_FROM,
  PROTECTED_MODE_END,
  purgatoryPlace,
  reachName,
} from "../layout.ts";
import {
  NBI_MAGIC,
  type NbiFile,
  type NbiImage,
  type NbiPiece,
  nbiImage,
  readNbi,
} from "./nbi-header.ts";
import { requireBios } from "./needs-bios.ts";

/** Offsets in the stack's segment: the code that an image returns to, its tables, its arguments. */
const STACK = { size: 0x2000, loaderInfoAt: 0x10, bootpAt: 0x200, argumentsAt: 0x1ff0 } as const;
/** "cli; hlt" in a loop; the same bytes in 16-bit and in 32-bit code. */
const HALT = [0xfa, 0xf4, 0xeb, 0xfc] as const;

/** One past the last address of the RAM that begins at 1 MiB, at most 4 GiB. */
function memoryEnd(memory: readonly MemoryRange[]): bigint {
  const around = normalize(memory.filter(({ type }) => type === "ram")).find(
    ({ start, end }) => start <= MIB && end > MIB,
  );
  const end = around?.end ?? MIB;
  return end < PROTECTED_MODE_END ? end : PROTECTED_MODE_END;
}

/** Whole pages. */
function pages(ranges: readonly Range[], page: bigint): Range[] {
  return normalize(
    ranges.map(({ start, end }) => ({ start: alignDown(start, page), end: alignUp(end, page) })),
  );
}

/** The bytes of `place` from all pieces that overlap it. */
function bytesIn(place: Range, pieces: readonly NbiPiece[]): Uint8Array {
  const inside = pieces.filter(
    ({ start, bytes }) => bytes.length > 0 && start >= place.start && start < place.end,
  );
  const offsets = inside.map(({ start }) => Number(start - place.start));
  const ends = inside.map(({ bytes }, i) => (offsets[i] ?? 0) + bytes.length);
  const all = new Uint8Array(Math.max(...ends));
  inside.forEach(({ bytes }, i) => {
    all.set(bytes, offsets[i]);
  });
  return all;
}

type Place = Pick<Segment, "start" | "size" | "bytes">;

/** The image in whole pages. Pieces may share a page; where the zeros of one overlap the bytes of
 * another, the bytes are loaded. Memory without bytes takes none in this process. */
function placesOf(pieces: readonly NbiPiece[], page: bigint): Place[] {
  const withBytes = pieces.map(({ start, bytes }) => ({
    start,
    end: start + BigInt(bytes.length),
  }));
  const all = pieces.map(({ start, size }) => ({ start, end: start + size }));
  const filled = pages(
    withBytes.filter(({ start, end }) => end > start),
    page,
  );
  const empty = subtract(pages(all, page), filled);
  const behind = ({ end }: Range) => empty.find(({ start }) => start === end);
  const alone = empty.filter((r) => !filled.some(({ end }) => end === r.start));
  return [
    ...filled.map((place) => ({
      start: place.start,
      size: (behind(place)?.end ?? place.end) - place.start,
      bytes: bytesIn(place, pieces),
    })),
    ...alone.map(({ start, end }) => ({ start, size: end - start, bytes: new Uint8Array(0) })),
  ];
}

function takePlaces(context: PlanContext, places: readonly Place[]): Segment[] {
  const pieces = places.map(({ start, size, bytes }) => ({
    ...({ role: "kernel", start, size, reason: "the address in the image's records" } as const),
    bytes: () => bytes,
  }));
  const segments = context.tryPutFixed(pieces);
  return segments instanceof NoRoom ? refuseFixed(places, "its records say", segments) : segments;
}

/** The stack: the return address, which is that of code that halts, and above it the arguments: the
 * image's header and an empty BOOTP reply; for 32-bit code, in front the loader's features, 0. */
function placeStack(context: PlanContext, image: NbiImage): Segment {
  return context.put({
    ...{ role: "real-mode", size: BigInt(STACK.size), alignment: 16n },
    ...{ min: LOWEST_ADDRESS, minFrom: LOWEST_ADDRESS_FROM },
    ...{ max: LOW_MEMORY_END, maxFrom: reachName(LOW_MEMORY_END) },
    bytes: (start) => stackBytes(image, Number(start)),
    reason: "the highest place below 640 KiB: the image's stack and arguments",
  });
}

function stackBytes({ location, entry }: NbiImage, base: number): Uint8Array {
  const bytes = new Uint8Array(STACK.size);
  bytes.set(HALT);
  const far = (offset: number) => ((base >> 4) << 16) | offset;
  const { segment, offset } = location;
  const words =
    entry.bits === 16
      ? [far(0), (segment << 16) | offset, far(STACK.bootpAt)]
      : [base, base + STACK.loaderInfoAt, segment * 16 + offset, base + STACK.bootpAt];
  const writer = new Writer(bytes);
  words.forEach((word, i) => {
    writer.u32(STACK.argumentsAt + 4 * i, word >>> 0);
  });
  return bytes;
}

function entryState({ entry }: NbiImage, stack: bigint): X8664EntryState {
  const rsp = BigInt(STACK.argumentsAt);
  if (entry.bits === 32) {
    return { arch: "x86_64", mode: 32, rip: entry.address, rsp: stack + rsp };
  }
  const none = { ds: 0, es: 0, fs: 0, gs: 0 };
  return {
    arch: "x86_64",
    mode: 16,
    rip: BigInt(entry.offset),
    rsp,
    segments: { ...none, cs: entry.segment, ss: Number(stack / 16n) },
    // The segment registers as a BIOS sets them before it starts a boot ROM.
    interrupts: true,
  };
}

function showEntry({ entry }: NbiImage): string {
  if (entry.bits === 32) return `in 32-bit mode at ${hex(entry.address)}`;
  return `in real mode at ${hex(entry.segment)}:${hex(entry.offset)}`;
}

/** Addresses of pieces may be relative to the end of memory, which the facts give. */
function draft(context: PlanContext, file: NbiFile): DraftPlan {
  const image = nbiImage(file, memoryEnd(context.memory));
  if (image.entry.bits === 16) requireBios(context.facts);
  const places = placesOf(image.pieces, BigInt(context.facts.pageSize));
  const segments = takePlaces(context, places);
  const stack = placeStack(context, image);
  return {
    segments: [...segments, stack],
    entryState: entryState(image, stack.start),
    commandLine: null,
    notes: [`The image is entered ${showEntry(image)}, and gets an empty BOOTP reply.`],
  };
}

const isNbi = (file: Uint8Array): boolean =>
  file.length >= 4 && new Reader(file, "NBI header").u32(0) === NBI_MAGIC;

export const nbiX86: ImageType = {
  name: "nbi-x86",
  options: [],
  mayBegin: isNbi,
  parse(file) {
    if (!isNbi(file)) return notMine("no NBI magic 0x1b031336 at offset 0");
    const nbi = readNbi(file);
    nbiImage(nbi, PROTECTED_MODE_END);
    return {
      match: true,
      type: "nbi-x86",
      options: [],
      commandLineLimit: null,
      takesEfi: false,
      memorySize: BigInt(file.length),
      whyNotByFile: "kexec_file_load does not load network boot images",
      // Images that are entered in 32-bit mode contain real-mode code too.
      purgatory: purgatoryPlace(16),
      draft: (context) => draft(context, nbi),
    };
  },
};
