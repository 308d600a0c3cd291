/** What every second kernel of a VM must say of itself. */

import { expect } from "bun:test";
import type { MachineRun } from "./machine.ts";
import { PROOF_SHA256 } from "./rig.ts";
import { joinedRuntimeMap } from "./runtime-map.ts";
import type { Sight } from "./serial-log.ts";

const seen = (sight: Sight, key: string) =>
  key === "runtime-map" ? joinedRuntimeMap(sight.get(key)) : sight.get(key);

/**
 * It is up, with its command line and every page of its initrd.
 * @param alike what it must see as the first kernel did
 */
export function expectSecondKernel(
  { first, second, lines }: MachineRun,
  commandLine: string,
  alike: readonly string[] = [],
): void {
  const lastWords = lines.slice(-5).map(({ text }) => text);
  expect(second.get("cmdline"), `no second kernel; last words: ${lastWords}`).toBe(commandLine);
  expect(second.get("proof")).toBe(PROOF_SHA256);
  for (const key of alike) {
    expect({ key, value: seen(second, key) }).toEqual({ key, value: seen(first, key) });
  }
}
