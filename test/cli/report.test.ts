import { expect, test } from "bun:test";
import { debugText, errorText } from "../../src/cli/report.ts";
import { KexecError } from "../../src/core/error.ts";

const error = (hint?: string) =>
  new KexecError({
    code: "kernel.kexec_load",
    message: "kexec_load failed: Bad address\nentry = 0",
    hint,
  });

test("an error is kexec-tools' own lines, then the hint", () => {
  expect(errorText(error())).toBe("kexec_load failed: Bad address\nentry = 0\n");
  expect(errorText(error("Try -s."))).toBe("kexec_load failed: Bad address\nentry = 0\nTry -s.\n");
});

test("a hint has at most three lines", () => {
  expect(errorText(error("a\nb\nc\nd"))).toEndWith("entry = 0\na\nb\nc\n");
});

test("debugText ends each line", () => {
  expect(debugText(["a", "b"])).toBe("a\nb\n");
  expect(debugText([])).toBe("");
});
