/** How many virtual machines run at the same time in this process: each keeps a core busy. */

const SLOTS = Math.max(1, Number(process.env.ONEKEXEC_VMS ?? 2) || 1);

let free = SLOTS;
const waiting: (() => void)[] = [];

/** Runs `work` when one of the slots is free. */
export async function inSlot<T>(work: () => Promise<T>): Promise<T> {
  if (free > 0) free -= 1;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  }
}
