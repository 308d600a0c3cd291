/**
 * Damages valid inputs: numbers become the ones at which arithmetic breaks, pieces are cut, doubled
 * and exchanged. Where a format has its numbers is not needed to be known: headers are short and
 * aligned, so a number that is overwritten at an aligned offset of the first KiB is often one.
 */

import type { Random } from "./random.ts";

/** At which lengths, counts and addresses go wrong. */
const BOUNDARIES: readonly bigint[] = [
  ...[0n, 1n, 2n, 3n, 4n, 7n, 8n, 15n, 16n, 17n, 63n, 64n, 127n, 128n, 255n, 256n, 511n, 512n],
  ...[
    0xfffn,
    0x1000n,
    0x1001n,
    0x7fffn,
    0x8000n,
    0xfffen,
    0xffffn,
    0x10000n,
    0xf_fff0n,
    0x10_0000n,
  ],
  ...[0x7fff_fff0n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_f000n, 0xffff_fffen, 0xffff_ffffn],
  ...[0x1_0000_0000n, 0x1f_ffff_ffff_ffffn, 0x20_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn],
  ...[0x8000_0000_0000_0000n, 0xffff_ffff_8000_0000n, 0xffff_ffff_ffff_f000n],
  ...[0xffff_ffff_ffff_fffen, 0xffff_ffff_ffff_ffffn],
];
const WIDTHS = [1, 2, 4, 8] as const;
/** Headers are at the start, mostly. */
const HEADER = 1024;

function offsetIn(random: Random, length: number): number {
  return random.oneIn(3) ? random.below(length) : random.below(Math.min(length, HEADER));
}

function overwrite(bytes: Uint8Array, random: Random): void {
  const width = random.pick(WIDTHS);
  const at = Math.floor(offsetIn(random, bytes.length) / width) * width;
  const step = random.oneIn(4) ? BigInt(random.below(33) - 16) : 0n;
  const isLength = random.oneIn(5);
  let value = (isLength ? BigInt(bytes.length) : random.pick(BOUNDARIES)) + step;
  const isBig = random.oneIn(16);
  for (let i = 0; i < width; i += 1) {
    const place = isBig ? at + width - 1 - i : at + i;
    if (place < bytes.length) bytes[place] = Number(BigInt.asUintN(8, value));
    value >>= 8n;
  }
}

/** Adds a small number to one that stands there, little endian. */
function nudge(bytes: Uint8Array, random: Random): void {
  const at = offsetIn(random, bytes.length);
  let carry = random.below(33) - 16;
  for (let i = at; i < Math.min(at + 4, bytes.length); i += 1) {
    const sum = (bytes[i] ?? 0) + carry;
    bytes[i] = sum & 0xff;
    carry = sum >> 8;
  }
}

function flip(bytes: Uint8Array, random: Random): void {
  const at = offsetIn(random, bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
}

/** Copies a piece over another. */
function copyWithin(bytes: Uint8Array, random: Random): void {
  const length = 1 << random.below(8);
  const from = random.below(bytes.length);
  bytes.copyWithin(offsetIn(random, bytes.length), from, from + length);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Changes that make the input longer or shorter. */
function resize(bytes: Uint8Array, random: Random): Uint8Array {
  const at = offsetIn(random, bytes.length + 1);
  const length = 1 << random.below(10);
  switch (random.below(4)) {
    case 0:
      return bytes.slice(0, random.below(bytes.length + 1));
    case 1:
      return joined([bytes.slice(0, at), bytes.slice(at + length)]);
    case 2:
      return joined([bytes.slice(0, at), bytes.slice(at, at + length), bytes.slice(at)]);
    default:
      return joined([bytes, new Uint8Array(length).fill(random.pick([0, 0x20, 0xff]))]);
  }
}

/** A damaged copy of `input`; sometimes it is unchanged. */
export function mutateBytes(input: Uint8Array, random: Random): Uint8Array {
  let bytes: Uint8Array = input.slice();
  for (let edits = random.below(5) + (random.oneIn(8) ? 20 : 0); edits > 0; edits -= 1) {
    if (bytes.length === 0) return bytes;
    const kind = random.below(10);
    if (kind < 5) overwrite(bytes, random);
    else if (kind < 6) nudge(bytes, random);
    else if (kind < 7) flip(bytes, random);
    else if (kind < 8) copyWithin(bytes, random);
    else bytes = resize(bytes, random);
  }
  return bytes;
}

/** What breaks parsers of text, as byte strings. */
const FRAGMENTS = [
  ...["", " ", "\t", "\n", "\0", "\u00a0", "\u0085", '"', "'", "\\", "=", ",", ":", "-", "@", "%"],
  ...["0", "-1", "+1", "1e3", "0x", "0X10", "010", " 7", "1.5", "Infinity", "NaN", "true", "null"],
  ...["18446744073709551615", "18446744073709551616", "0xffffffffffffffff", "9".repeat(40)],
  ...["-9223372036854775808", "4294967296", "2147483648", "__proto__", "constructor", "\u00ff"],
  ...["{}", "[]", "[[", '"', "//", "../..", "%s", "\x1b[31m", "A".repeat(300), "[".repeat(600)],
];

/** A damaged copy of a text: numbers, words and lines are exchanged, doubled and cut. */
export function mutateText(input: string, random: Random): string {
  let text = input;
  for (let edits = 1 + random.below(4); edits > 0; edits -= 1) {
    const at = random.below(text.length + 1);
    const length = random.below(12);
    switch (random.below(6)) {
      case 0:
        text = text.slice(0, at) + random.pick(FRAGMENTS) + text.slice(at);
        break;
      case 1:
        text = text.slice(0, at) + text.slice(at + length);
        break;
      case 2:
        text = otherNumber(text, random);
        break;
      case 3:
        text = otherLines(text, random);
        break;
      case 4:
        text = text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1);
        break;
      default:
        text = random.oneIn(4) ? text.slice(0, at) : text;
    }
  }
  return text;
}

/** One of the text's numbers becomes another. */
function otherNumber(text: string, random: Random): string {
  const numbers = [...text.matchAll(/\b(?:0x)?[0-9a-f]+\b/gi)];
  if (numbers.length === 0) return text;
  const { 0: found, index } = random.pick(numbers);
  const boundary = random.pick(BOUNDARIES);
  const value = random.oneIn(3) ? random.pick(FRAGMENTS) : boundary.toString(random.pick([10, 16]));
  return text.slice(0, index) + value + text.slice(index + found.length);
}

/** A line is doubled, removed or put at the start. */
function otherLines(text: string, random: Random): string {
  const lines = text.split("\n");
  const at = random.below(lines.length);
  const [line = ""] = lines.splice(at, 1);
  if (random.oneIn(3)) return lines.join("\n");
  if (random.oneIn(2)) return [line, ...lines].join("\n");
  const copies = Array<string>(random.oneIn(20) ? 2000 : 2).fill(line);
  return [...lines.slice(0, at), ...copies, ...lines.slice(at)].join("\n");
}
