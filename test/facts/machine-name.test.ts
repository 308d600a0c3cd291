import { expect, test } from "bun:test";
import { architectureOfMachine } from "../../src/facts/machine-name.ts";

test.each([
  ["x86_64", "x86_64"],
  ["aarch64", "arm64"],
  // What a 32-bit kernel, or the personality of one, is called.
  ["i686", null],
  ["aarch64_be", null],
  ["", null],
] as const)("uname -m %j is %p", (name, architecture) => {
  expect(architectureOfMachine(name)).toBe(architecture);
});
