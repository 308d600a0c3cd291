/**
 * The relocation lists behind the ELF file in a compressed kernel: where it has its own virtual
 * addresses, which change where it runs at another one (KASLR). A list has 32-bit words, ascending;
 * a word is the lower half of the virtual address of a number in the kernel. A zero comes before
 * each list, and no list has one:
 *
 *     0  64-bit numbers to add to
 *     0  32-bit numbers to subtract from: differences to per-CPU addresses; until Linux 6.14
 *     0  32-bit numbers to add to
 *
 * [linux arch/x86/tools/relocs.c emit_relocs] [linux arch/x86/boot/compressed/misc.c
 * handle_relocations]
 */

import { hex } from "../../../core/address.ts";
import { failImage } from "../../../core/error.ts";
import type { ElfLoad } from "../../../image/elf-image.ts";

const WORD = 4;
/** 2^32: one more than a word can hold. */
const WORD_END = 0x1_0000_0000;
/** `START_KERNEL_MAP` in a word. */
const WORD_OF_PHYSICAL_0 = 0x8000_0000;

const KINDS = { 2: ["add64", "add32"], 3: ["add64", "subtract32", "add32"] } as const;

type Kind = (typeof KINDS)[3][number];

export interface RelocationList {
  readonly kind: Kind;
  readonly words: Uint32Array;
}

const unexpected = (what: string): never =>
  failImage({ code: "image.payload", message: `the relocation lists ${what}` });

/**
 * Reads the lists in `bytes`, all that follows the ELF file.
 * @throws ImageError `image.payload` where these are not two or three lists
 */
export function readRelocationLists(bytes: Uint8Array): RelocationList[] {
  if (bytes.length === 0) return unexpected("are missing: the kernel runs at one address only");
  if (bytes.length % WORD !== 0) return unexpected(`have ${bytes.length} bytes, no whole words`);
  const words = new Uint32Array(bytes.slice().buffer);
  if (words[0] !== 0) return unexpected("do not begin with a zero");
  const lists: Uint32Array[] = [];
  for (let start = 0; start < words.length; ) {
    const zero = words.indexOf(0, start + 1);
    const end = zero < 0 ? words.length : zero;
    lists.push(words.subarray(start + 1, end));
    start = end;
  }
  const count = lists.length;
  if (count !== 2 && count !== 3) return unexpected(`are ${count}; Linux has two or three`);
  return KINDS[count].map((kind, i) => ({ kind, words: lists[i] ?? new Uint32Array(0) }));
}

function checked(sum: number, at: number): number {
  if (sum >= 0 && sum < WORD_END) return sum;
  return unexpected(`have a number that is too small or large to change, ${hex(at)} bytes into it`);
}

/** Adds `delta` to the number at `at`. */
function change32(view: DataView, at: number, delta: number): void {
  view.setUint32(at, checked(view.getUint32(at, true) + delta, at), true);
}

function change64(view: DataView, at: number, delta: number): void {
  const low = view.getUint32(at, true) + delta;
  const carry = Math.floor(low / WORD_END);
  const high = checked(view.getUint32(at + WORD, true) + carry, at);
  view.setUint32(at, low - carry * WORD_END, true);
  view.setUint32(at + WORD, high, true);
}

/** The width of the numbers, in bytes. */
const WIDTHS: Readonly<Record<Kind, number>> = { add64: 2 * WORD, subtract32: WORD, add32: WORD };

/** Bytes of the kernel, and where they lie when it runs where it was linked for. */
interface Target {
  readonly start: number;
  readonly end: number;
  readonly view: DataView;
}

function changeAll({ kind, words }: RelocationList, targets: readonly Target[], delta: number) {
  const width = WIDTHS[kind];
  const added = kind === "subtract32" ? -delta : delta;
  let before = 0;
  let next = 0;
  let target = targets[next];
  for (const word of words) {
    if (word <= before) return unexpected(`are not sorted: ${hex(word)} follows ${hex(before)}`);
    before = word;
    const physical = word - WORD_OF_PHYSICAL_0;
    while (target !== undefined && physical >= target.end) {
      next += 1;
      target = targets[next];
    }
    if (target === undefined || physical < target.start || physical + width > target.end) {
      return unexpected(`name ${hex(word)}, which is not in the kernel`);
    }
    if (kind === "add64") change64(target.view, physical - target.start, added);
    else change32(target.view, physical - target.start, added);
  }
}

/**
 * Changes the bytes of `loads` so that the kernel runs `delta` bytes above the virtual address
 * that it was linked for; nothing tells afterwards where it was linked for.
 * @param loads sorted; their physical addresses are below 2 GiB
 * @param delta in bytes, a whole number of which the absolute value is below 2^31
 * @throws ImageError `image.payload` for a list that is not sorted, or leads elsewhere: the bytes
 *   are then of no use
 */
export function relocate(
  loads: readonly ElfLoad[],
  lists: readonly RelocationList[],
  delta: number,
): void {
  const targets = loads.map(({ physical, bytes }): Target => {
    const start = Number(physical);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { start, end: start + bytes.length, view };
  });
  for (const list of lists) changeAll(list, targets, delta);
}
