/** The addresses that a network boot image finds on its stack. [nbi] */

import { Reader } from "../../../core/bytes.ts";
import type { Pointer, PointingPlan } from "../../../model/pointer.ts";
import { NBI_MAGIC } from "../image/nbi-header.ts";
import { EntryMode, type purgatoryEntry } from "../purgatory/parameters.ts";
import { bytesAt, wordAt } from "./segment-reader.ts";

type Entry = ReturnType<typeof purgatoryEntry.read>;

/** The number of words that 16-bit and 32-bit code find. */
const WORDS_16 = 3;
const WORDS_32 = 4;

/** Of a far pointer, whose offset is its lower half. */
const linear = (word: number): bigint => BigInt((word >>> 16) * 16 + (word & 0xffff));

/** A return address, what the loader can do (32-bit code only), the image's head, and the reply. */
export function nbiPointers({ segments }: PointingPlan, entry: Entry): Pointer[] {
  const isFar = entry.entry_mode === EntryMode[16];
  const count = isFar ? WORDS_16 : WORDS_32;
  const stack = isFar ? BigInt(entry.ss) * 16n + entry.rsp : entry.rsp;
  const own = { roles: ["real-mode"] } as const;
  const size = BigInt(count * 4);
  const at: Pointer = { what: "the image's arguments", start: stack, size, ...own };
  const bytes = bytesAt(segments, stack, count * 4);
  if (bytes === null) return [at];
  const reader = new Reader(bytes, "stack");
  const words = Array.from({ length: count }, (_, i) => reader.u32(i * 4));
  const addresses = words.map((word) => (isFar ? linear(word) : BigInt(word)));
  const head = addresses.at(-2) ?? 0n;
  const others = addresses.filter((_, i) => i !== count - 2);
  return [
    at,
    ...others.map((start): Pointer => ({ what: "an argument", start, size: 1n, ...own })),
    // Its first word says that it is the head.
    {
      ...{ what: "the image's head", start: head, roles: ["kernel"] },
      size: wordAt(segments, head) === BigInt(NBI_MAGIC) ? 512n : 1n << 64n,
    },
  ];
}
