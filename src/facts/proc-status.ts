/** /proc/self/status: the capabilities of this process. */

import { fail } from "../core/error.ts";

export const PROC_STATUS = "/proc/self/status";

/**
 * The effective capabilities, a bit mask. [proc_pid_status(5) CapEff]
 * @throws KexecError `facts.proc-status`
 */
export function parseCapEff(text: string): bigint {
  const [, digits] = /^CapEff:[ \t]*([0-9a-f]{1,16})[ \t]*$/im.exec(text) ?? [];
  if (digits !== undefined) return BigInt(`0x${digits}`);
  return fail({
    code: "facts.proc-status",
    message: `${PROC_STATUS}: no line "CapEff:" with at most 16 hexadecimal digits`,
  });
}
