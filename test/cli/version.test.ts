import { expect, test } from "bun:test";
import fc from "fast-check";
import { toRequest } from "../../src/cli/to-request.ts";
import { asksForVersionFirst } from "../../src/cli/version.ts";

const word = fc.oneof(
  fc.constantFrom("-v", "--version", "-l", "--bogus", "-p", "--", "-dv", "--vers", "--append", "K"),
  fc.string({ maxLength: 5 }).map((text) => Buffer.from(text, "utf8").toString("latin1")),
);

test("where the first word asks for the version, the whole command line does", () => {
  fc.assert(
    fc.property(fc.constantFrom("-v", "--version"), fc.array(word), (first, rest) => {
      const argv = [first, ...rest];
      expect(asksForVersionFirst(argv)).toBe(true);
      for (const variable of [undefined, "1"]) {
        const request = toRequest({ argv0: "kexec", argv, env: () => variable });
        expect(request).toMatchObject({ action: "version", exitStatus: 0 });
      }
    }),
  );
});

test.each([[[]], [["-l", "-v"]], [["K"]], [["-dv"]], [["--vers"]], [["--version=1"]]])(
  "%p is for the parser",
  (argv) => {
    expect(asksForVersionFirst(argv)).toBe(false);
  },
);
