import { expect, test } from "bun:test";
import { strtoul } from "../../src/core/strtoul.ts";

const MAX = (1n << 64n) - 1n;

test.each([
  ["", 0n],
  ["0", 0n],
  ["12", 12n],
  ["010", 8n],
  ["0x10", 16n],
  ["0X1f", 31n],
  [" \t\n\v\f\r5", 5n],
  ["+5", 5n],
  ["-1", MAX],
  ["-0", 0n],
  ["-0x10", MAX - 15n],
  ["18446744073709551615", MAX],
  ["18446744073709551616", MAX],
  ["-18446744073709551616", MAX],
  ["0xffffffffffffffffffff", MAX],
  ["zz", null],
  ["0x", null],
  ["0xg", null],
  ["08", null],
  ["12k", null],
  ["1 ", null],
  [" ", null],
  ["-", null],
  ["+-1", null],
  ["- 1", null],
  ["1\n", null],
  ["ff", null],
])("base 0: %j", (text, value) => {
  expect(strtoul(text, 0)).toBe(value);
});

test.each([
  ["", 0n],
  ["3f8", 0x3f8n],
  ["03f8", 0x3f8n],
  ["0x3f8", 0x3f8n],
  ["-1", MAX],
  ["0x", null],
  ["g", null],
])("base 16: %j", (text, value) => {
  expect(strtoul(text, 16)).toBe(value);
});
