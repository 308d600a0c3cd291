import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseNumber, parseSmallNumber, quoted } from "../../src/facts/sysfs-number.ts";
import { refusal } from "../kexec-error.ts";
import { textSurvivesDamage } from "./damage.ts";

test.each([
  ["0x0\n", 0n],
  ["0\n", 0n],
  ["0x9fbff\n", 0x9fbffn],
  ["0XFFFFFFFFFFFFFFFF", (1n << 64n) - 1n],
  [" 268435456 \n", 268435456n],
  ["010\n", 10n],
])("parseNumber() of %j", (text, value) => {
  expect(parseNumber(text, "f")).toBe(value);
});

test.each(["", "\n", "0x", "x1", "1f", "-1", "+1", "0x1 0x2", "1.5", "0x10000000000000000", "0b1"])(
  "parseNumber() refuses %j and names the file",
  (text) => {
    const error = refusal(() => parseNumber(text, "/sys/some/file"));
    expect(error.code).toBe("facts.number");
    expect(error.message).toStartWith("/sys/some/file: ");
  },
);

test("parseNumber() says what it found and needed, and shortens it", () => {
  const { message } = refusal(() => parseNumber("z".repeat(500), "f"));
  expect(message).toContain("is not a number (0x... or decimal digits are needed)");
  expect(message.length).toBeLessThan(150);
});

test.each([
  [8, "0xff", "0x100"],
  [16, "65535", "65536"],
  [32, "0xffffffff", "0x100000000"],
] as const)("parseSmallNumber() of %d bits", (bits, most, tooMuch) => {
  expect(parseSmallNumber(most, "f", bits)).toBe(2 ** bits - 1);
  expect(refusal(() => parseSmallNumber(tooMuch, "f", bits)).message).toContain(`${bits} bits`);
});

test("every number of 64 bits is read back", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (n) => {
      expect(parseNumber(`0x${n.toString(16)}\n`, "f")).toBe(n);
      expect(parseNumber(`${n}\n`, "f")).toBe(n);
    }),
  );
});

test("damaged numbers throw nothing but KexecErrors", () => {
  textSurvivesDamage("0x9fbff\n", (text) => parseNumber(text, "f"));
});

test("quoted() keeps control characters out of messages", () => {
  expect(quoted("a\x1b[2J\n")).toBe('"a\\u001b[2J\\n"');
});
