/**
 * What a host (Linux, Xen) does with a finished plan. Two hosts differ here and nowhere else: no
 * method is optional, and nobody but the selection in edge/backend asks which host this is.
 */

import type { ImagePurpose, LoadPlan, PlanKind } from "./load-plan.ts";
import type { LoadMethod } from "./request.ts";

/** How an attempt ended that did not throw. */
export type LoadOutcome =
  | { readonly kind: "loaded" }
  /** The host has no such call, or did not understand the image: another attempt may work. */
  | { readonly kind: "unsupported"; readonly why: string };

export interface Backend {
  readonly name: "linux" | "xen";
  /** Why this backend was chosen, for `-d`. */
  readonly evidence: readonly string[];
  /** The kinds of plan to try, best first, for what the user asked. */
  attempts(method: LoadMethod): readonly PlanKind[];
  /**
   * Hands the plan over. After a throw nothing is half loaded.
   * @throws KexecError where the host refused for a reason that another attempt cannot mend
   */
  load(plan: LoadPlan): LoadOutcome;
  /** Unloads what is loaded for `purpose`; nothing loaded is no failure. @throws KexecError */
  unload(purpose: ImagePurpose, method: LoadMethod): void;
  /** null where the host cannot tell. */
  isLoaded(purpose: ImagePurpose): boolean | null;
  /** Starts the loaded image: returns only by throwing KexecError. */
  exec(): never;
  /** Closes what was opened. */
  close(): void;
}
