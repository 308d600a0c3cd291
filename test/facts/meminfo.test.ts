import { expect, test } from "bun:test";
import { parseMemTotal } from "../../src/facts/meminfo.ts";

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
