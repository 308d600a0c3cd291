/**
 * Binary structures as tables: the specification's field names at their offsets. The TypeScript
 * type and the functions that read, write and describe a structure all use its one table.
 */

import { hex } from "./address.ts";
import { hexOf, Reader, Writer } from "./bytes.ts";

type Kind = "u8" | "u16" | "u32" | "u64" | "bytes";

export interface Field<V> {
  readonly kind: Kind;
  /** From the start of the structure, in bytes. */
  readonly offset: number;
  readonly size: number;
  /** Carries the type only; never set. */
  readonly value?: V;
}

export const u8 = (offset: number): Field<number> => ({ kind: "u8", offset, size: 1 });
export const u16 = (offset: number): Field<number> => ({ kind: "u16", offset, size: 2 });
export const u32 = (offset: number): Field<number> => ({ kind: "u32", offset, size: 4 });
export const u64 = (offset: number): Field<bigint> => ({ kind: "u64", offset, size: 8 });
/** `size` bytes, kept as they are. */
export const blob = (offset: number, size: number): Field<Uint8Array> => ({
  kind: "bytes",
  offset,
  size,
});

type Fields = Readonly<Record<string, Field<number> | Field<bigint> | Field<Uint8Array>>>;
type ValueOf<F> = F extends Field<infer V> ? V : never;

/** The value that a table describes: its field names with their values. */
export type StructValue<F extends Fields> = { -readonly [K in keyof F]: ValueOf<F[K]> };

export interface Struct<F extends Fields> {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  readonly fields: F;
  /** Reads every field of the structure at `base`, little-endian by default.
   * @throws KexecError `struct.truncated` */
  read(bytes: Uint8Array, base?: number, littleEndian?: boolean): StructValue<F>;
  /** Writes the given fields of the structure at `base`, little-endian, and no other bytes.
   * @throws RangeError for a value that its field cannot hold */
  write(bytes: Uint8Array, value: Partial<StructValue<F>>, base?: number): void;
  /** Lines `name @0xOFFSET = value`, for `-d` and for tests. */
  describe(value: Partial<StructValue<F>>): string[];
}

function readField(reader: Reader, field: Field<unknown>, base: number): unknown {
  const at = base + field.offset;
  switch (field.kind) {
    case "u8":
      return reader.u8(at);
    case "u16":
      return reader.u16(at);
    case "u32":
      return reader.u32(at);
    case "u64":
      return reader.u64(at);
    case "bytes":
      return reader.slice(at, field.size).slice();
  }
}

function writeField(writer: Writer, name: string, field: Field<unknown>, base: number, v: unknown) {
  const at = base + field.offset;
  if (field.kind === "u64") writer.u64(at, v as bigint);
  else if (field.kind === "bytes") {
    const bytes = v as Uint8Array;
    if (bytes.length !== field.size) {
      throw new RangeError(`${name}: ${bytes.length} bytes given, the field has ${field.size}`);
    }
    writer.set(at, bytes);
  } else writer[field.kind](at, v as number);
}

function show(value: unknown): string {
  if (value instanceof Uint8Array) {
    return value.length <= 16 ? hexOf(value) : `${hexOf(value.subarray(0, 16))}...`;
  }
  return hex(value as number | bigint);
}

/** Makes a structure from its table. @param size of the whole structure, in bytes */
export function defineStruct<const F extends Fields>(
  name: string,
  size: number,
  fields: F,
): Struct<F> {
  for (const [field, { offset, size: fieldSize }] of Object.entries(fields)) {
    if (offset < 0 || offset + fieldSize > size) {
      throw new RangeError(`${name}.${field} lies outside the structure's ${size} bytes`);
    }
  }
  return {
    name,
    size,
    fields,
    read(bytes, base = 0, littleEndian = true) {
      const reader = new Reader(bytes, name, littleEndian);
      const value: Record<string, unknown> = {};
      for (const [key, field] of Object.entries(fields))
        value[key] = readField(reader, field, base);
      return value as StructValue<F>;
    },
    write(bytes, value, base = 0) {
      const writer = new Writer(bytes);
      for (const [key, v] of Object.entries(value)) {
        const field = fields[key];
        if (field === undefined) throw new RangeError(`${name} has no field ${key}`);
        if (v !== undefined) writeField(writer, `${name}.${key}`, field, base, v);
      }
    },
    describe(value) {
      return Object.entries(fields)
        .filter(([key]) => value[key] !== undefined)
        .map(([key, field]) => `${key} @${hex(field.offset)} = ${show(value[key])}`);
    },
  };
}
