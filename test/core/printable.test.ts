import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { printable, printableMessage } from "../../src/core/printable.ts";

const utf8 = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

describe("printable", () => {
  test.each([
    ["plain text\nof two lines\n", "plain text\nof two lines\n"],
    ["\x1b[31mred\x07", "\\x1b[31mred\\x07"],
    ["a\tb\rc\x00\x7f", "a\\x09b\\x0dc\\x00\\x7f"],
    [utf8("größer, 大, 🙂"), utf8("größer, 大, 🙂")],
    // C1 controls, alone and in UTF-8.
    ["\x9b31m", "\\x9b31m"],
    [utf8("\u009b31m"), "\\xc2\\x9b31m"],
    ["b\xe4r", "b\\xe4r"],
    ["\xe4\xbd", "\\xe4\\xbd"],
    ["\xc0\xaf\xf5\xff", "\\xc0\\xaf\\xf5\\xff"],
  ])("%j", (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  test("what comes out has no byte that a terminal obeys", () => {
    const bytes = fc.uint8Array({ maxLength: 40 });
    fc.assert(
      fc.property(bytes, (some) => {
        const shown = printable(Buffer.from(some).toString("latin1"));
        const decoded = Buffer.from(shown, "latin1").toString("utf8");
        expect(decoded.replaceAll("\n", "")).toMatch(/^\P{Cc}*$/u);
      }),
    );
  });
});

test("a line feed in a name of the command line is none of the message's", () => {
  const argv = ["-l", "--initrd=a\nb", "k\nl"];
  expect(printableMessage("Cannot open `a\nb'\nCannot load k\nl\n", argv)).toBe(
    "Cannot open `a\\x0ab'\nCannot load k\\x0al\n",
  );
});
