/**
 * nbi-x86: network boot images, which Etherboot and its like load: a kernel, its initrd and a
 * loader of their own, each at an address that the image names. They are entered in real mode, or
 * in 32-bit mode if they say so.
 *
 * It has no BOOTP reply for them, and they cannot return. [nbi]
 */

import { alignDown, alignUp, GIB, hex, KIB, MIB } from "../../../core/address.ts";
import { Writer } from "../../../core/bytes.ts";
import { normalize, type Range, subtract } from "../../../core/range.ts";
import { isNoRoom, refuseFixed } from "../../../image/place-fixed.ts";
import type {
  DraftPlan,
  EntryState,
  ImageType,
  PlanContext,
  Probe,
} from "../../../model/image-type.ts";
import type { Segment } from "../../../model/load-plan.ts";
import type { MemoryRange } from "../../../model/memory.ts";
import { NBI_MAGIC, type NbiImage, type NbiPiece, readNbi } from "./nbi-header.ts";
import { requireBios } from "./needs-bios.ts";

/** What firmware left in the first pages stays. */
const LOWEST_STACK = 0x3000n;
const LOW_MEMORY_END = 640n * KIB;

/** The stack's segment: where an image returns to, the tables that it is told of, the arguments. */
const STACK = { size: 0x2000, loaderInfoAt: 0x10, bootpAt: 0x200, argumentsAt: 0x1ff0 } as const;
/** "cli; hlt" and a jump back to it, in 16-bit code and in 32-bit code. */
const HALT = [0xfa, 0xf4, 0xeb, 0xfc] as const;

function probe(image: Uint8Array): Probe {
  const magic = image.length < 4 ? null : new DataView(image.slice(0, 4).buffer).getUint32(0, true);
  return magic === NBI_MAGIC ? { match: true } : { match: false, why: "no 0x1b031336 at 0" };
}

/** One past the last address of the RAM that begins at 1 MiB; images know of 4 GiB only. */
function memoryEnd(memory: readonly MemoryRange[]): bigint {
  const around = normalize(memory.filter(({ type }) => type === "ram")).find(
    ({ start, end }) => start <= MIB && end > MIB,
  );
  const end = around?.end ?? MIB;
  return end < 4n * GIB ? end : 4n * GIB;
}

/** Whole pages. */
function pages(ranges: readonly Range[], page: bigint): Range[] {
  return normalize(
    ranges.map(({ start, end }) => ({ start: alignDown(start, page), end: alignUp(end, page) })),
  );
}

/** The bytes of `place`, which are everyone's that reach into it. */
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

/** The image in whole pages. Pieces may share a page, and one's zeros another's bytes, which count;
 * what has no bytes takes none here either, however much memory it is. */
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
  const reason = "where its records say";
  try {
    return places.map(({ start, size, bytes }) => {
      const max = start + size;
      context.place({ role: "kernel", size, alignment: 1n, min: start, max, from: "top" });
      return { role: "kernel", start, size, bytes, sha256: null, reason };
    });
  } catch (error) {
    if (!isNoRoom(error)) throw error;
    return refuseFixed(places, "its records say", error);
  }
}

/** The stack with a return address that halts, and the image's arguments above it: its head, and a
 * BOOTP reply without contents; for 32-bit code, what the loader can do comes first: nothing. */
function placeStack(context: PlanContext, { location, entry }: NbiImage): Segment {
  const size = BigInt(STACK.size);
  const start = context.place({
    ...{ role: "real-mode", size, alignment: 16n },
    ...{ min: LOWEST_STACK, max: LOW_MEMORY_END, from: "top" },
  });
  const base = Number(start);
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
  const reason = "the highest place below 640 KiB: the image's stack and arguments";
  return { role: "real-mode", start, size, bytes, sha256: null, reason };
}

function entryState({ entry }: NbiImage, stack: bigint): EntryState {
  const rsp = BigInt(STACK.argumentsAt);
  if (entry.bits === 32) return { mode: 32, rip: entry.address, rsp: stack + rsp };
  const none = { ds: 0, es: 0, fs: 0, gs: 0 };
  return {
    mode: 16,
    rip: BigInt(entry.offset),
    rsp,
    segments: { ...none, cs: entry.segment, ss: Number(stack / 16n) },
    // As they are when a BIOS starts a boot ROM.
    interrupts: true,
  };
}

function showEntry({ entry }: NbiImage): string {
  if (entry.bits === 32) return `in 32-bit mode at ${hex(entry.address)}`;
  return `in real mode at ${hex(entry.segment)}:${hex(entry.offset)}`;
}

function draft(context: PlanContext): DraftPlan {
  const image = readNbi(context.inputs.kernel.bytes, memoryEnd(context.memory));
  if (image.entry.bits === 16) requireBios(context.facts);
  const places = placesOf(image.pieces, BigInt(context.facts.pageSize));
  const segments = takePlaces(context, places);
  const stack = placeStack(context, image);
  return {
    segments: [...segments, stack],
    entryState: entryState(image, stack.start),
    commandLine: null,
    notes: [`the image is entered ${showEntry(image)}, and gets a BOOTP reply without contents`],
  };
}

export const nbiX86: ImageType = {
  name: "nbi-x86",
  architectures: ["x86_64"],
  options: [],
  probe,
  check(image) {
    readNbi(image, 4n * GIB);
  },
  takesEfi: () => false,
  entryBits: 16,
  whyNotByFile: () => "kexec_file_load takes no network boot images",
  draft,
};
