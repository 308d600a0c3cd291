import { describe, expect, test } from "bun:test";
import { memoryLimits, memoryLimitsIn } from "../../../src/edge/ffi/memory-limits.ts";

const limits = (space: string, data: string): string =>
  [
    "Limit                     Soft Limit           Hard Limit           Units     ",
    `Max data size             ${data.padEnd(20)} unlimited            bytes     `,
    "Max stack size            8388608              unlimited            bytes     ",
    `Max address space         ${space.padEnd(20)} unlimited            bytes     `,
  ].join("\n");

describe("memoryLimitsIn", () => {
  test.each([
    ["unlimited", "unlimited", "0\n", []],
    ["unlimited", "unlimited", "1\n", []],
    ["1024000000", "unlimited", "0\n", [/^ulimit -v .* is 977 MiB$/]],
    ["unlimited", "512000000", "0\n", [/^ulimit -d .* is 488 MiB$/]],
    ["unlimited", "unlimited", "2\n", [/^vm\.overcommit_memory is 2$/]],
    ["1024000000", "512000000", "2\n", [/-v/, /-d/, /overcommit/]],
  ])("address space %s, data %s, overcommit %j", (space, data, overcommit, phrases) => {
    const found = memoryLimitsIn(limits(space, data), overcommit);
    expect(found.length).toBe(phrases.length);
    for (const [i, phrase] of phrases.entries()) expect(found[i]).toMatch(phrase);
  });

  test("what cannot be read limits nothing", () => {
    expect(memoryLimitsIn("", "")).toEqual([]);
  });
});

test("the tests themselves run without limits", () => {
  expect(memoryLimits()).toEqual([]);
});
