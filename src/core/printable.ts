/** Texts for a terminal, which obeys some bytes as commands: names of files may have any bytes. */

import { bytesOf } from "./bytes.ts";

const LINE_FEED = 0x0a;
const DELETE = 0x7f;
/** C1 control characters end here, in UTF-8 and by themselves. */
const C1_END = 0xa0;

const escaped = (byte: number): string => `\\x${byte.toString(16).padStart(2, "0")}`;

/** Bytes of the UTF-8 character at `at`; 0 where there is none but ASCII, or a C1 control. */
function characterLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length === 0 || first > 0xf4) return 0;
  const rest = bytes.subarray(at + 1, at + length);
  if (rest.length < length - 1 || !rest.every((byte) => byte >= 0x80 && byte < 0xc0)) return 0;
  const isC1 = first === 0xc2 && (rest[0] ?? 0) < C1_END;
  return isC1 ? 0 : length;
}

/**
 * `text`, a byte string, with what a terminal would obey as `\x1b`; lines and UTF-8 stay.
 */
export function printable(text: string): string {
  // Most texts are plain.
  if (/^[\n\x20-\x7e]*$/.test(text)) return text;
  const bytes = bytesOf(text);
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at] ?? 0;
    const length = byte < 0x80 ? 0 : characterLength(bytes, at);
    const isPlain = byte === LINE_FEED || (byte >= 0x20 && byte < DELETE);
    parts.push(isPlain || length > 0 ? text.slice(at, at + Math.max(1, length)) : escaped(byte));
    at += Math.max(1, length);
  }
  return parts.join("");
}

/** The parts of a word of the command line that messages name: the word, and an option's value. */
function namedParts(word: string): string[] {
  const equals = word.indexOf("=");
  return equals < 0 ? [word] : [word, word.slice(equals + 1)];
}

/**
 * As `printable`, where `text` may name words of the command line, whose line feeds are no ends of
 * lines.
 * @param argv byte strings
 */
export function printableMessage(text: string, argv: readonly string[]): string {
  const parts = argv.filter((word) => word.includes("\n")).flatMap(namedParts);
  // The longest first: one may be a part of another.
  const names = parts.filter((part) => part.includes("\n")).sort((a, b) => b.length - a.length);
  const whole = names.reduce(
    (rest, name) => rest.replaceAll(name, name.replaceAll("\n", escaped(LINE_FEED))),
    text,
  );
  return printable(whole);
}
