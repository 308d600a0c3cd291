import { describe, expect, test } from "bun:test";
import { memoryNote, parseAvailable, parseMemTotal } from "../../src/facts/meminfo.ts";

test.each([
  ["MemTotal:         981724 kB\nMemFree:          1 kB\n", 981724n * 1024n],
  ["MemTotal:       24506556 kB\n", 24506556n * 1024n],
])("%j", (text, want) => {
  expect(parseMemTotal(text)).toBe(want);
});

test.each([[""], ["MemFree: 1 kB\n"], ["MemTotal: x kB\n"], ["MemTotal: 5 MB\n"], ["MemTotal: 5"]])(
  "%j is refused",
  (text) => {
    expect(() => parseMemTotal(text)).toThrow("/proc/meminfo: no line");
  },
);

describe("the memory that is available", () => {
  const kib = (available: number, swap: number) =>
    `MemTotal: 2048 kB\nMemFree:  7 kB\nMemAvailable:   ${available} kB\nSwapTotal: 9 kB\nSwapFree: ${swap} kB\n`;

  test.each([
    [kib(1000, 0), 1_024_000n],
    [kib(1000, 24), 1_048_576n],
    ["MemAvailable: 5 kB\n", 5120n],
    ["MemTotal: 2048 kB\nMemFree: 7 kB\nSwapFree: 9 kB\n", null],
    ["MemAvailable: many kB\n", null],
    ["", null],
  ])("%j", (text, bytes) => {
    expect(parseAvailable(text)).toBe(bytes);
  });

  test("in words", () => {
    expect(memoryNote(3n << 20n)).toBe(
      "3 MiB of memory are available: MemAvailable and SwapFree in /proc/meminfo.",
    );
  });
});
