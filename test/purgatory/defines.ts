/** The numbers in a header of the purgatory, to compare them with the tables in TypeScript. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SRC } from "../../scripts/purgatory.ts";

type Defines = ReadonlyMap<string, bigint>;

/** The `#define NAME NUMBER` lines of a header. @param path from src/ */
export function definesOf(path: string): Defines {
  const lines = readFileSync(join(SRC, path), "utf8").matchAll(
    /^#define (\w+) (0x[0-9a-f]+|\d+)$/gm,
  );
  return new Map([...lines].map(([, name = "", value = ""]) => [name, BigInt(value)]));
}

/** Those whose names begin with `prefix`. */
export const numbersOf = (defines: Defines, prefix: string): Record<string, bigint> =>
  Object.fromEntries([...defines].filter(([name]) => name.startsWith(prefix)));

/** The #defines that a table's fields need: `prefix` and the name in capitals, and the offset. */
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
