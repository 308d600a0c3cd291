/** Unified kernel images: PE files with the sections that are asked for, and no code. */

import { bytesOf, Writer } from "../../src/core/bytes.ts";

const PE_AT = 0x80;
const OPTIONAL_SIZE = 0xf0;
const SECTION_SIZE = 40;
/** PE's FileAlignment. */
const ALIGNMENT = 0x200;

/** By name, or as pairs where a name comes again. */
export type Sections =
  | Readonly<Record<string, Uint8Array | string>>
  | readonly (readonly [string, Uint8Array | string])[];

/** Sections are padded in the file, as linkers do; their size in memory is the true one. */
export function makeUki(sections: Sections): Uint8Array {
  const pairs = Array.isArray(sections) ? sections : Object.entries(sections);
  const names = pairs.map(([name]) => name);
  const contents = pairs.map(([, one]) => (typeof one === "string" ? bytesOf(one) : one));
  const tableAt = PE_AT + 24 + OPTIONAL_SIZE;
  const up = (size: number) => Math.ceil(size / ALIGNMENT) * ALIGNMENT;
  let at = up(tableAt + names.length * SECTION_SIZE);
  const places = contents.map(({ length }) => {
    const here = at;
    at += up(length);
    return here;
  });
  const file = new Uint8Array(at);
  const writer = new Writer(file);
  file.set(bytesOf("MZ"), 0);
  writer.u32(0x3c, PE_AT);
  file.set(bytesOf("PE\0\0"), PE_AT);
  writer.u16(PE_AT + 6, names.length);
  writer.u16(PE_AT + 20, OPTIONAL_SIZE);
  names.forEach((name, i) => {
    const header = tableAt + i * SECTION_SIZE;
    const content = contents[i] ?? new Uint8Array(0);
    file.set(bytesOf(name), header);
    writer.u32(header + 8, content.length);
    writer.u32(header + 16, up(content.length));
    writer.u32(header + 20, places[i] ?? 0);
    file.set(content, places[i] ?? 0);
  });
  return file;
}
