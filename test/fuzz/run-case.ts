/** One case: its input, and whether the parser kept to what it owes. */

import { readFileSync, writeFileSync } from "node:fs";
import { KexecError } from "../../src/core/error.ts";
import { caseSeed, Random } from "./random.ts";
import type { Target } from "./target.ts";

/** Processor time that one input may cost, in seconds. */
export const SECONDS_MAX = 2;
/** Memory that one input may cost beside its own bytes. */
export const MEMORY_MAX = 256 << 20;

export interface Fault {
  readonly target: string;
  readonly seed: number;
  readonly index: number;
  readonly input: Uint8Array;
  readonly what: string;
}

/** Starts the peak of this process's memory anew. [linux Documentation/filesystems/proc.rst] */
function resetPeak(): void {
  writeFileSync("/proc/self/clear_refs", "5");
}

/** VmHWM, in bytes. */
function peak(): number {
  const [, kib] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1")) ?? [];
  return Number(kib) * 1024;
}

const seconds = (before: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
};

/** What the target threw, and is no KexecError; null: nothing. */
function strangeError(target: Target, input: Uint8Array): string | null {
  try {
    target.run(input);
    return null;
  } catch (error) {
    if (error instanceof KexecError) return null;
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

/** Runs one case. @returns null where the parser kept to the rules */
export function runCase(target: Target, seed: number, index: number): Fault | null {
  const input = target.input(new Random(caseSeed(seed, target.name, index)));
  const fault = (what: string): Fault => ({ target: target.name, seed, index, input, what });
  resetPeak();
  const memory = peak();
  const start = process.cpuUsage();
  const error = strangeError(target, input);
  const spent = seconds(start);
  const grown = peak() - memory;
  if (error !== null) return fault(error);
  // Memory first: on a busy machine it takes long to get.
  if (grown > MEMORY_MAX + input.length) return fault(`${grown >> 20} MiB of memory`);
  if (spent > SECONDS_MAX) return fault(`${spent.toFixed(1)} s of processor time`);
  return null;
}
