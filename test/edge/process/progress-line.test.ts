import { expect, test } from "bun:test";
import fc from "fast-check";
import { eraseLine, progressLine } from "../../../src/edge/process/progress-line.ts";

const GIB = 1 << 30;
const label = "Reading initrd";

test.each([
  [56, 0, `${label} [........................]   0% of 1 GiB`],
  [56, GIB / 2, `${label} [############............]  50% of 1 GiB`],
  [56, GIB, `${label} [########################] 100% of 1 GiB`],
  [500, GIB, `${label} [${"#".repeat(40)}] 100% of 1 GiB`],
  [40, GIB / 2, `${label}  50%`],
  [20, GIB, `${label} 100%`],
  [19, GIB, "100%"],
  [10, GIB / 2, "50%"],
  [3, GIB / 2, "50"],
  [1, GIB / 2, ""],
])("%i columns, %i bytes of a GiB", (columns, done, line) => {
  expect(progressLine({ label, done, total: GIB }, columns)).toBe(line);
});

test("a terminal without a size counts as 80 columns", () => {
  const progress = { label, done: GIB / 4, total: GIB };
  expect(progressLine(progress, 0)).toBe(progressLine(progress, 80));
});

test("without a known total the line has the bytes read so far", () => {
  expect(progressLine({ label, done: 3 << 20, total: null }, 80)).toBe(`${label} 3 MiB`);
});

test("a line never fills the last column, never goes back, and is printable ASCII", () => {
  fc.assert(
    fc.property(
      fc.nat(300),
      fc.nat(2 ** 31 - 1),
      fc.option(fc.integer({ min: 1, max: 2 ** 31 - 1 })),
      (columns, done, total) => {
        const line = progressLine({ label, done, total }, columns);
        expect(line.length).toBeLessThan(columns === 0 ? 80 : columns);
        expect(line).toMatch(/^[ -~]*$/);
      },
    ),
  );
});

test("eraseLine overwrites what was drawn and returns", () => {
  expect(eraseLine(3)).toBe("\r   \r");
});
