import { expect, test } from "bun:test";
import { pageSizeOfAuxv } from "../../src/facts/auxv.ts";
import { refusal } from "../kexec-error.ts";
import { survivesDamage } from "./damage.ts";

const auxv = (...words: bigint[]) => new Uint8Array(BigUint64Array.from(words).buffer);

test.each([4096, 16384, 65536])("a page of %d bytes", (size) => {
  expect(pageSizeOfAuxv(auxv(33n, 6n, 6n, BigInt(size), 0n, 0n))).toBe(size);
});

test.each([
  ["nothing", auxv()],
  ["no AT_PAGESZ", auxv(33n, 6n, 0n, 0n)],
  ["a value that looks like a tag", auxv(33n, 6n, 4096n, 0n)],
  ["no power of two", auxv(6n, 5000n)],
  ["too small", auxv(6n, 64n)],
  ["too large", auxv(6n, 1n << 40n)],
  ["cut short", auxv(6n, 4096n).slice(0, 15)],
])("%s is refused", (_, bytes) => {
  expect(refusal(() => pageSizeOfAuxv(bytes)).code).toBe("facts.auxv");
});

test("damaged bytes throw nothing but KexecErrors", () => {
  survivesDamage(auxv(33n, 7n, 6n, 4096n, 0n, 0n), pageSizeOfAuxv);
});
