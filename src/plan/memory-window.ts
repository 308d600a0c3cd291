/** `--mem-min` and `--mem-max`, which are both inclusive, as a range. Pure. */

import type { Range } from "../core/range.ts";
import type { LoadRequest } from "../model/request.ts";

export const memoryWindow = ({ memMin, memMax }: LoadRequest): Range => ({
  start: memMin,
  end: memMax + 1n,
});
