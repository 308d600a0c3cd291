/** `--mem-min` and `--mem-max`, which are both inclusive, as a range and as bounds. Pure. */

import { ADDRESS_END, hex } from "../core/address.ts";
import type { Range } from "../core/range.ts";
import type { LoadRequest } from "../model/request.ts";
import type { Bounds } from "./placer.ts";

export const memoryWindow = ({ memMin, memMax }: LoadRequest): Range => ({
  start: memMin,
  end: memMax + 1n,
});

/** Those of the two that were given, for errors. */
export function memoryBounds({ memMin, memMax }: LoadRequest): Bounds {
  return {
    min: memMin === 0n ? [] : [{ at: memMin, from: `--mem-min=${hex(memMin)}` }],
    max: memMax === ADDRESS_END - 1n ? [] : [{ at: memMax + 1n, from: `--mem-max=${hex(memMax)}` }],
  };
}
