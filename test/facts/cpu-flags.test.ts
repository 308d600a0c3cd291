import { expect, test } from "bun:test";
import { usesFiveLevelPaging } from "../../src/facts/cpu-flags.ts";
import { refusal } from "../kexec-error.ts";

const cpu = (flags: string) =>
  `processor\t: 0\nmodel name\t: QEMU TCG CPU\nflags\t\t: ${flags}\nvmx flags\t: la57\nbugs\t\t: la57\n`;

test.each([
  ["fpu vme la57 pku", true],
  ["la57", true],
  ["fpu vme pku", false],
  ["", false],
  ["fpu no_la57 la57x", false],
  // The byte is no blank.
  ["fpu\xa0la57", false],
])("%p: 5-level page tables %p", (flags, is) => {
  expect(usesFiveLevelPaging(cpu(flags))).toBe(is);
});

test.each(["", "processor\t: 0\n", "flags\t\t: fpu la57", "Features\t: fp asimd\n"])(
  "%p has no flags that are whole",
  (text) => {
    expect(refusal(() => usesFiveLevelPaging(text)).code).toBe("facts.cpu-flags");
  },
);
