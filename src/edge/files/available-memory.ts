/** How much memory this process and the running kernel can still get. */

import { humanSize } from "../../core/address.ts";
import { ExitStatus, fail } from "../../core/error.ts";
import { MEMINFO, memoryNote, parseAvailable } from "../../facts/meminfo.ts";
import { attempt, pseudoFiles } from "./read-pseudo-files.ts";

/** As `parseAvailable`, at this moment; null where /proc/meminfo cannot be read, too. */
export function availableMemory(): bigint | null {
  const text = attempt([], () => pseudoFiles("/").text(MEMINFO));
  return text === null ? null : parseAvailable(text);
}

const WHAT_TO_TRY =
  "Stop programs, empty file systems in memory (tmpfs), add swap, or load a smaller initrd.";

/**
 * Refuses what needs more memory than is available: the running kernel would not refuse it, but
 * kill processes, this one among the first.
 * @param what what cannot be done, e.g. `Cannot read /boot/initrd`
 * @throws KexecError `host.memory`
 */
export function checkAvailable(what: string, needed: bigint, available: bigint | null): void {
  if (available === null || needed <= available) return;
  fail({
    code: "host.memory",
    message: `${what}: that needs ${humanSize(needed)} of memory`,
    hint: `${memoryNote(available)}\n${WHAT_TO_TRY}`,
    exitStatus: ExitStatus.failed,
  });
}
