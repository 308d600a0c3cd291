/** Limits how much runs at the same time: what is beyond waits for its turn, first come first. */

/** Runs `work` when one of the slots is free. */
export type InSlot = <T>(work: () => Promise<T>) => Promise<T>;

export function slots(count: number): InSlot {
  let free = count;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
