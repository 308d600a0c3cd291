/** What the VM tests share: how long one may take, and failures that name the serial log. */

import type { MachineRun } from "./machine.ts";

/** In ms. Waiting for the machines before it counts; each machine has a time limit of its own. */
export const VM_TIMEOUT = 3_600_000;

/** Any failure inside names the serial log. */
export function withLog(run: MachineRun, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (error instanceof Error) error.message += `\nserial log: ${run.logPath}`;
    throw error;
  }
}
