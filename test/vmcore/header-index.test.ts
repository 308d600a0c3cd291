import { expect, test } from "bun:test";
import fc from "fast-check";
import type { ProgramHeader } from "../../src/vmcore/elf-header.ts";
import { HeaderIndex } from "../../src/vmcore/header-index.ts";

const TOP = (1n << 64n) - 1n;
const header = ([start, size]: readonly [bigint, bigint]): ProgramHeader => ({
  ...{ type: 1, offset: 0n, physical: 0n, stored: 0n },
  ...{ virtual: start, size },
});
const address = fc.oneof(
  fc.bigInt({ min: 0n, max: 40n }),
  fc.bigInt({ min: TOP - 40n, max: TOP - 1n }),
);
const range = fc.tuple(address, fc.bigInt({ min: 0n, max: 20n }));

test("the first header, in the file's order, that has an address", () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 12 }), address, fc.boolean(), (rows, at, sorted) => {
      const headers = rows.map(header);
      if (sorted) headers.sort((a, b) => (a.virtual < b.virtual ? -1 : 1));
      const index = new HeaderIndex(headers, ({ virtual }) => virtual);
      const has = ({ virtual, size }: ProgramHeader) => at >= virtual && at < virtual + size;
      expect(index.find(at)).toBe(headers.find(has) ?? null);
    }),
    { numRuns: 3000, seed: 3 },
  );
});
