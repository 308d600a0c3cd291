/** What keeps this process from reserving memory: the runtime reserves more than it uses. */

import { readFileSync } from "node:fs";
import { humanSize } from "../../core/address.ts";

/** Rows of /proc/self/limits, and how shells name them. */
const LIMITS = [
  { row: /^Max address space[ \t]+([0-9]+)[ \t]/m, name: "ulimit -v (RLIMIT_AS, LimitAS=)" },
  { row: /^Max data size[ \t]+([0-9]+)[ \t]/m, name: "ulimit -d (RLIMIT_DATA, LimitDATA=)" },
] as const;

/**
 * A phrase for each limit that is set: `ulimit -v (...) is 976 MiB`.
 * @param limits text of /proc/self/limits
 * @param overcommit text of /proc/sys/vm/overcommit_memory
 */
export function memoryLimitsIn(limits: string, overcommit: string): string[] {
  const set = LIMITS.flatMap(({ row, name }) => {
    const [, bytes] = row.exec(limits) ?? [];
    return bytes === undefined ? [] : [`${name} is ${humanSize(BigInt(bytes))}`];
  });
  return /^2\n?$/.test(overcommit) ? [...set, "vm.overcommit_memory is 2"] : set;
}

/** Empty where it cannot be read: then no limit is known. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error)) throw error;
    return "";
  }
}

/** Of this process; empty where nothing is limited, or it is not known. */
export function memoryLimits(): string[] {
  return memoryLimitsIn(textOf("/proc/self/limits"), textOf("/proc/sys/vm/overcommit_memory"));
}
