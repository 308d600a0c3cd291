/** The order in which kinds of plan are tried. */

import type { PlanKind } from "./load-plan.ts";
import type { LoadMethod } from "./request.ts";

/**
 * The kinds of plan to try, best first.
 * @param method the requested method; a host that does not accept it treats it as `auto`
 * @param taken the kinds that the host accepts, best first
 */
export function kindsToTry(method: LoadMethod, taken: readonly PlanKind[]): readonly PlanKind[] {
  return method !== "auto" && taken.includes(method) ? [method] : taken;
}
