/** What the VM tests share: how long one may take, and failures that name the serial log. */

import type { MachineRun } from "./machine.ts";

/** In ms; waiting for a free slot counts. */
export const VM_TIMEOUT = 1_200_000;

/** Any failure inside names the serial log. */
export function withLog(run: MachineRun, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (error instanceof Error) error.message += `\nserial log: ${run.logPath}`;
    throw error;
  }
}
