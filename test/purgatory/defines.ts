/** The numbers in a header of the purgatory, to hold them against the tables of TypeScript. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SRC } from "../../scripts/purgatory.ts";

type Defines = ReadonlyMap<string, bigint>;

/** `#define NAME NUMBER` lines of a header; `path` counts from src/. */
export function definesOf(path: string): Defines {
  const lines = readFileSync(join(SRC, path), "utf8").matchAll(
    /^#define (\w+) (0x[0-9a-f]+|\d+)$/gm,
  );
  return new Map([...lines].map(([, name = "", value = ""]) => [name, BigInt(value)]));
}

/** Those whose names begin with `prefix`. */
export const numbersOf = (defines: Defines, prefix: string): Record<string, bigint> =>
  Object.fromEntries([...defines].filter(([name]) => name.startsWith(prefix)));

/** What the header must say of a table's fields: `prefix` and the name in capitals, the offset. */
export const offsetsOf = (
  prefix: string,
  fields: Readonly<Record<string, { readonly offset: number }>>,
): Record<string, bigint> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, { offset }]) => [
      `${prefix}${name.toUpperCase()}`,
      BigInt(offset),
    ]),
  );
