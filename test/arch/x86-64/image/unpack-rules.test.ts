import { describe, expect, test } from "bun:test";
import { isRandomized, whyUnpacksItself } from "../../../../src/arch/x86-64/image/unpack-rules.ts";
import type { HostFacts } from "../../../../src/model/host-facts.ts";
import { NO_X86_FACTS, type X86Facts } from "../../../../src/model/x86-64.ts";
import { FIVE_LEVEL } from "../../../images/make-payload.ts";
import { machine } from "../../../plan/golden.ts";

/** A machine with 4-level page tables, whose memory is not encrypted. */
const PLAIN: X86Facts = {
  ...NO_X86_FACTS,
  ...{ fiveLevelPaging: false, virtualBits: 48, encryptedMemory: false },
};
const KERNEL = { version: 0x020f, xloadflags: FIVE_LEVEL };
const FOUR_LEVEL = { version: 0x020f, xloadflags: 0x3f };

const facts = (own: Partial<X86Facts>): HostFacts => ({
  ...machine("qemu-1g-bios"),
  x86_64: { ...PLAIN, ...own },
});

const why = (own: Partial<X86Facts>, commandLine = "", kernel = KERNEL): string | null =>
  whyUnpacksItself(kernel, commandLine, facts(own));

describe("a kernel may be unpacked before the reboot", () => {
  test.each<[string, Partial<X86Facts>, string, typeof KERNEL]>([
    ["4-level page tables, and no others", {}, "quiet", KERNEL],
    ["5-level page tables in use", { fiveLevelPaging: true, virtualBits: 57 }, "quiet", KERNEL],
    ["no5lvl, and they are not in use", { virtualBits: 57 }, "quiet no5lvl", KERNEL],
    ["a kernel without them, and they are not in use", { virtualBits: 57 }, "", FOUR_LEVEL],
    ["parameters that only begin so", {}, "memtest=1 mem_sleep_default=deep x.mem=1", KERNEL],
    ["boot params of a guest that is not confidential", {}, "", KERNEL],
  ])("%s", (_, own, commandLine, kernel) => {
    expect(why({ bootParams: new Uint8Array(4096), ...own }, commandLine, kernel)).toBeNull();
  });
});

describe("a kernel unpacks itself", () => {
  const guest = new Uint8Array(4096);
  guest[0x13d] = 1;

  test.each<[string, Partial<X86Facts>, string, typeof KERNEL, string]>([
    ["an old kernel", {}, "", { ...KERNEL, version: 0x020e }, "boot protocol 2.14, 2.15"],
    ["SME", { encryptedMemory: true }, "", KERNEL, "is encrypted"],
    ["not known: SME", { encryptedMemory: null }, "", KERNEL, "encrypts its memory"],
    ["SEV-SNP", { bootParams: guest }, "", KERNEL, "SEV-SNP"],
    ["not known: paging", { fiveLevelPaging: null }, "", KERNEL, "are in use"],
    ["no5lvl", { fiveLevelPaging: true }, "a no5lvl", KERNEL, "turns off the 5-level"],
    ["kernel without 5", { fiveLevelPaging: true }, "", FOUR_LEVEL, "turns off the 5-level"],
    ["5 levels, not in use", { virtualBits: 57 }, "", KERNEL, "turns on the processor's"],
    ["not known: 5 levels", { virtualBits: null }, "", KERNEL, "whether the processor has"],
    ["mem=", {}, "quiet mem=2G", KERNEL, "only then mem=2G has all of its effect"],
    ["memmap=", {}, "memmap=1G$4G", KERNEL, "memmap=1G$4G"],
    ["hugepagesz=", {}, "hugepagesz=1G hugepages=4", KERNEL, "hugepagesz=1G"],
    ["efi_fake_mem=", {}, "efi_fake_mem=1G@4G:0x40000", KERNEL, "efi_fake_mem=1G@4G:0x40000"],
    ["movable_node", {}, "movable_node", KERNEL, "movable_node"],
    ["movable-node", {}, "movable-node", KERNEL, "movable-node"],
    ["mem_encrypt=", {}, "mem_encrypt=off", KERNEL, "mem_encrypt=off"],
    // The decompressor reads on where the kernel stops.
    ["behind --", {}, "quiet -- mem=1G", KERNEL, "mem=1G"],
  ])("%s", (_, own, commandLine, kernel, words) => {
    expect(why(own, commandLine, kernel)).toContain(words);
  });

  test("on a machine of which nothing is known", () => {
    expect(whyUnpacksItself(KERNEL, "", null)).toContain("nothing is known");
    expect(whyUnpacksItself(KERNEL, "", machine("qemu-1g-bios"))).toContain("is not known");
  });
});

test.each([
  ["", true],
  ["quiet", true],
  ["nokaslr", false],
  ["quiet nokaslr splash", false],
  ["quiet -- nokaslr", false],
  ["nokaslr=1 xnokaslr", true],
])("%p: randomized %p", (commandLine, is) => {
  expect(isRandomized(commandLine)).toBe(is);
});
