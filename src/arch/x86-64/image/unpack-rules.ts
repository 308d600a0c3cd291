/**
 * When a bzImage must unpack itself: where its decompressor does what the kernel behind it does
 * not. It also makes page tables, searches for the root pointer, prints, and clears KASLR_FLAG; the
 * kernel does all of that again, or gets it in its boot params.
 *
 * [linux arch/x86/boot/compressed/misc.c extract_kernel, kaslr.c, pgtable_64.c, acpi.c, sev.c]
 */

import { defineStruct, u32 } from "../../../core/struct.ts";
import type { HostFacts } from "../../../model/host-facts.ts";
import { BOOT_PARAMS_SIZE } from "../../../model/x86-64.ts";
import { type SetupHeader, showVersion, XLF_5LEVEL_ENABLED } from "../handoff/setup-header.ts";
import { fiveLevelPaging } from "./paging-mode.ts";

/** The oldest boot protocol with which this has been tried: that of Linux 5.5 and later. */
const OLDEST = 0x020f;
/** Bits of a virtual address with 4-level page tables. */
const FOUR_LEVEL_BITS = 48;

const UNKNOWN_PAGING = "it is not known whether 5-level page tables are in use";
/** How such a host maps the parts of an unpacked kernel has not been tried. */
const ONLY_SEGMENTS_MAPPED = "this host maps only what is in a segment";

/** Parameters by which the decompressor decides where the kernel may lie, or that it passes on in
 * the setup header. [linux arch/x86/boot/compressed/kaslr.c handle_mem_options, misc.c
 * parse_mem_encrypt] */
const OBEYED = ["mem", "memmap", "hugepagesz", "efi_fake_mem", "movable_node", "mem_encrypt"];

/** Of boot_params, in guests with SEV-SNP. [zero-page] 0x13c */
const ConfidentialGuest = defineStruct("boot_params", BOOT_PARAMS_SIZE, {
  cc_blob_address: u32(0x13c),
});

/** The words of a command line as the decompressor sees them: quotes and `--` mean nothing. */
const wordsOf = (commandLine: string): string[] => commandLine.split(/[ \t\n\v\f\r"]+/);

/** The name in a word; the kernel takes `-` for `_`. */
const nameOf = (word: string): string => (word.split("=", 1)[0] ?? "").replaceAll("-", "_");

/** Whether the kernel gets random addresses; `nokaslr` leaves it where it is. */
export const isRandomized = (commandLine: string): boolean =>
  !wordsOf(commandLine).includes("nokaslr");

function whyOfEncryption({ x86_64 }: HostFacts): string | null {
  const encrypted = x86_64?.encryptedMemory ?? null;
  if (encrypted === null) return "it is not known whether this machine encrypts its memory";
  if (encrypted) return "this machine's memory is encrypted (SME, SEV or TDX)";
  const bootParams = x86_64?.bootParams ?? null;
  const isGuest = bootParams !== null && ConfidentialGuest.read(bootParams).cc_blob_address !== 0;
  return isGuest ? "this is a confidential guest (SEV-SNP)" : null;
}

/** The decompressor alone turns 5-level page tables on and off.
 * [linux arch/x86/boot/compressed/pgtable_64.c] */
function whyOfPaging(
  { xloadflags }: Pick<SetupHeader, "xloadflags">,
  words: readonly string[],
  facts: HostFacts,
): string | null {
  const isSupported = (xloadflags & XLF_5LEVEL_ENABLED) !== 0;
  const isWanted = isSupported && !words.includes("no5lvl");
  const isOn = fiveLevelPaging(facts);
  if (isOn === null) return UNKNOWN_PAGING;
  if (isOn && !isWanted) return "it turns off the 5-level page tables that are in use";
  const bits = facts.x86_64?.virtualBits ?? null;
  if (isOn || !isWanted || bits === FOUR_LEVEL_BITS) return null;
  return bits === null
    ? "it is not known whether the processor has 5-level page tables"
    : "it turns on the processor's 5-level page tables, which are not in use";
}

/** Why every kernel must unpack itself on this machine, a part of a sentence; null: none must. */
export function whyNoKernel(facts: HostFacts): string | null {
  if (facts.segmentRules.mapped !== null) return ONLY_SEGMENTS_MAPPED;
  const isKnown = fiveLevelPaging(facts) !== null;
  return whyOfEncryption(facts) ?? (isKnown ? null : UNKNOWN_PAGING);
}

/**
 * Why the kernel must unpack itself on this machine with this command line, a part of a sentence;
 * null: it may be unpacked before.
 * @param facts null: nothing is known of the machine
 */
export function whyUnpacksItself(
  header: Pick<SetupHeader, "version" | "xloadflags">,
  commandLine: string,
  facts: HostFacts | null,
): string | null {
  const { version } = header;
  if (facts === null) return "nothing is known of this machine";
  if (facts.segmentRules.mapped !== null) return ONLY_SEGMENTS_MAPPED;
  if (version < OLDEST) {
    const [found, needed] = [version, OLDEST].map(showVersion);
    return `it has boot protocol ${found}, ${needed} or newer is needed`;
  }
  const words = wordsOf(commandLine);
  const obeyed = words.find((word) => OBEYED.includes(nameOf(word)));
  if (obeyed !== undefined) return `only then ${obeyed} has all of its effect`;
  return whyOfEncryption(facts) ?? whyOfPaging(header, words, facts);
}
