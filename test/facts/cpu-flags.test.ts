import { expect, test } from "bun:test";
import { parseCpuinfo } from "../../src/facts/cpu-flags.ts";
import { refusal } from "../kexec-error.ts";

const cpu = (flags: string, sizes = "address sizes\t: 46 bits physical, 48 bits virtual\n") =>
  `processor\t: 0\nmodel name\t: QEMU TCG CPU\nflags\t\t: ${flags}\n` +
  `vmx flags\t: la57 sme\nbugs\t\t: la57 sme\n${sizes}`;

test.each([
  ["fpu vme la57 pku", true],
  ["la57", true],
  ["fpu vme pku", false],
  ["", false],
  ["fpu no_la57 la57x", false],
  // The byte is no blank.
  ["fpu\xa0la57", false],
])("%p: 5-level page tables %p", (flags, is) => {
  expect(parseCpuinfo(cpu(flags)).fiveLevelPaging).toBe(is);
});

test.each([
  ["fpu hypervisor la57", false],
  ["fpu sme", true],
  ["fpu tdx_guest hypervisor", true],
  ["fpu hypervisor sev", true],
  ["fpu hypervisor sev_es", true],
  ["fpu hypervisor sev_snp", true],
  // A host that may have such guests.
  ["fpu sev sev_es sev_snp", false],
])("%p: encrypted memory %p", (flags, is) => {
  expect(parseCpuinfo(cpu(flags)).encryptedMemory).toBe(is);
});

test.each([
  ["address sizes\t: 46 bits physical, 48 bits virtual\n", 48],
  ["address sizes\t: 52 bits physical, 57 bits virtual\n", 57],
  ["address sizes\t: 52 bits physical, 57", null],
  ["", null],
])("%p: virtual addresses of %p bits", (line, bits) => {
  expect(parseCpuinfo(cpu("fpu", line)).virtualBits).toBe(bits);
});

test.each(["", "processor\t: 0\n", "flags\t\t: fpu la57", "Features\t: fp asimd\n"])(
  "%p has no flags that are whole",
  (text) => {
    expect(refusal(() => parseCpuinfo(text)).code).toBe("facts.cpu-flags");
  },
);
