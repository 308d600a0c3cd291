import { expect, test } from "bun:test";
import { KEXEC_STATE_FILES, parseKexecFlag, parseKexecSize } from "../../src/facts/kexec-state.ts";
import { refusal } from "../kexec-error.ts";
import { textSurvivesDamage } from "./damage.ts";

test.each([
  ["0\n", false],
  ["1\n", true],
  ["2", true],
])("parseKexecFlag(%j)", (text, value) => {
  expect(parseKexecFlag(text, "f")).toBe(value);
});

test("parseKexecSize() is in bytes", () => {
  expect(parseKexecSize("268435456\n", "f")).toBe(1n << 28n);
});

test("text that is no number is refused with the file's name", () => {
  const [file] = KEXEC_STATE_FILES.loaded;
  expect(refusal(() => parseKexecFlag("", file)).message).toStartWith("/sys/kernel/kexec_loaded: ");
  textSurvivesDamage("1\n", (text) => parseKexecFlag(text, file));
});
