/** Which kinds of plan are tried. */

import type { PlanKind } from "./load-plan.ts";
import type { LoadMethod } from "./request.ts";

/**
 * The kinds of plan to try, best first.
 * @param method what the user asked for, which a host that does not have it takes for `auto`
 * @param taken what the host takes, best first
 */
export function kindsToTry(method: LoadMethod, taken: readonly PlanKind[]): readonly PlanKind[] {
  return method !== "auto" && taken.includes(method) ? [method] : taken;
}
