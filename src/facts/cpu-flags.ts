/** /proc/cpuinfo of x86: what the processors can do, and the running kernel lets them. */

import { fail } from "../core/error.ts";

export const CPUINFO = "/proc/cpuinfo";

/** More than the first processor's lines have, of which the flags are about 2 KiB. */
export const CPUINFO_START = 16384;

/** In one line, so that no other one's words are taken for flags. */
const FLAGS = /^flags[ \t]*:([^\n]*)\n/m;

/**
 * Whether 5-level page tables are in use: the kernel removes `la57` from the flags where they are
 * not, because of `no5lvl` or of its configuration.
 * [linux arch/x86/kernel/cpu/common.c early_identify_cpu]
 * @param text the file's first lines
 * @throws KexecError `facts.cpu-flags` where the flags are not in it
 */
export function usesFiveLevelPaging(text: string): boolean {
  const [, flags] = FLAGS.exec(text) ?? [];
  if (flags !== undefined) return flags.split(" ").includes("la57");
  return fail({
    code: "facts.cpu-flags",
    message: `${CPUINFO}: no line "flags : ..." in its first ${CPUINFO_START} bytes`,
  });
}
