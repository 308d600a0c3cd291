/** Compares our error numbers with the C library's headers. */

import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { Errno } from "../../../src/edge/ffi/errno.ts";

const DEFINITION = /^#define (E[A-Z0-9]+) (\d+)$/gm;
const printed = execFileSync("gcc", ["-E", "-dM", "-include", "errno.h", "-x", "c", "/dev/null"]);
const inC = new Map(
  [...printed.toString().matchAll(DEFINITION)].map(([, name, number]) => [name, Number(number)]),
);

test("the compiler printed the headers' error numbers", () => {
  expect(inC.size).toBeGreaterThan(100);
});

const { ENOTSUPP, ...common } = Errno;

test.each(Object.entries(common))("%s is %i, as in C", (name, number) => {
  expect(inC.get(name)).toBe(number);
});

test("ENOTSUPP is kernel-internal: its number is above those of the C library", () => {
  expect(inC.has("ENOTSUPP")).toBe(false);
  expect(ENOTSUPP).toBeGreaterThan(Math.max(...inC.values()));
});
