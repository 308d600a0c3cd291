import { expect, test } from "bun:test";
import { parseLockdown } from "../../src/facts/lockdown.ts";
import { refusal } from "../kexec-error.ts";
import { textSurvivesDamage } from "./damage.ts";

test.each([
  ["[none] integrity confidentiality\n", "none"],
  ["none [integrity] confidentiality\n", "integrity"],
  ["none integrity [confidentiality]\n", "confidentiality"],
] as const)("parseLockdown(%j)", (text, choice) => {
  expect(parseLockdown(text)).toBe(choice);
});

test.each(["", "none integrity\n", "[]", "[None]", "[total] none", "[none"])(
  "%j is refused",
  (text) => {
    const error = refusal(() => parseLockdown(text));
    expect(error.code).toBe("facts.lockdown");
    expect(error.message).toContain("/sys/kernel/security/lockdown");
  },
);

test("damaged texts throw nothing but KexecErrors", () => {
  textSurvivesDamage("none [integrity] confidentiality\n", parseLockdown);
});
