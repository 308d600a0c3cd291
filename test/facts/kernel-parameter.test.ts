import { expect, test } from "bun:test";
import { hasKernelParameter } from "../../src/facts/kernel-parameter.ts";

test.each([
  ["add_efi_memmap", true],
  ["quiet add_efi_memmap root=/dev/sda", true],
  ["quiet add-efi-memmap", true],
  ["add_efi_memmap=1", true],
  ["\tadd_efi_memmap\n", true],
  ['"add_efi_memmap"', true],
  [`${"x".repeat(5000)} add_efi_memmap`, true],
  ["", false],
  ["noadd_efi_memmap", false],
  ["add_efi_memmap2", false],
  ["module.add_efi_memmap", false],
  ["note=add_efi_memmap", false],
  ['note="a add_efi_memmap b"', false],
  ['note="never closed add_efi_memmap', false],
  ["-- add_efi_memmap", false],
  ["add_efi_memmap -- init", true],
  ["a--b add_efi_memmap", true],
])("hasKernelParameter(%j)", (line, found) => {
  expect(hasKernelParameter(line, "add_efi_memmap")).toBe(found);
});
