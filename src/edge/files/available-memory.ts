/** How much memory this process and the running kernel can still get. */

import { readFileSync } from "node:fs";
import { MEMINFO, parseAvailable } from "../../facts/meminfo.ts";
import { errnoOf } from "./errno-of.ts";

/** As `parseAvailable`, at this moment; null where /proc/meminfo cannot be read, too. */
export function availableMemory(): bigint | null {
  try {
    return parseAvailable(readFileSync(MEMINFO, "latin1"));
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
}
