/** /proc/cpuinfo of x86: what the processors can do, and the running kernel lets them. */

import { fail } from "../core/error.ts";

export const CPUINFO = "/proc/cpuinfo";

/** More than the first processor's lines have, of which the flags are about 2 KiB. */
export const CPUINFO_START = 16384;

/** In one line, so that no other one's words are taken for flags. */
const FLAGS = /^flags[ \t]*:([^\n]*)\n/m;
const ADDRESS_SIZES = /^address sizes[ \t]*: \d+ bits physical, (\d{1,3}) bits virtual\n/m;

/** Of a confidential guest, in which the kernel shows what the hypervisor lets it have. */
const GUEST_FLAGS = ["sev", "sev_es", "sev_snp"];

/** What the first processor's lines say. */
export interface CpuFacts {
  /** Whether 5-level page tables are in use: the kernel removes `la57` from the flags where they
   * are not, because of `no5lvl` or of its configuration.
   * [linux arch/x86/kernel/cpu/common.c early_identify_cpu] */
  readonly fiveLevelPaging: boolean;
  /** Bits of a virtual address, from CPUID: 57 where the processor has 5-level page tables, in use
   * or not; null where the line is missing.
   * [linux arch/x86/kernel/cpu/common.c get_cpu_address_sizes] */
  readonly virtualBits: number | null;
  /** Whether memory is encrypted: `sme` is in use, or this is a guest with `tdx_guest` or SEV. The
   * flags of SEV alone say on a host that it may have such guests. */
  readonly encryptedMemory: boolean;
}

/**
 * Reads the first processor's flags and address sizes.
 * @param text the file's first lines
 * @throws KexecError `facts.cpu-flags` where the flags are not in it
 */
export function parseCpuinfo(text: string): CpuFacts {
  const [, line] = FLAGS.exec(text) ?? [];
  if (line === undefined) {
    return fail({
      code: "facts.cpu-flags",
      message: `${CPUINFO}: no line "flags : ..." in its first ${CPUINFO_START} bytes`,
    });
  }
  const flags = line.split(" ");
  const isGuest = flags.includes("hypervisor") && GUEST_FLAGS.some((flag) => flags.includes(flag));
  const [, virtualBits] = ADDRESS_SIZES.exec(text) ?? [];
  return {
    fiveLevelPaging: flags.includes("la57"),
    virtualBits: virtualBits === undefined ? null : Number(virtualBits),
    encryptedMemory: flags.includes("sme") || flags.includes("tdx_guest") || isGuest,
  };
}
