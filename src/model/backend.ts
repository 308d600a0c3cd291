/**
 * What a host (Linux, Xen) does with a finished plan. Two hosts differ here and nowhere else: no
 * method is optional, and nobody but the selection in edge/select.ts asks which host this is.
 */

import type { HostFacts } from "./host-facts.ts";
import type { LoadPlan, PlanKind } from "./load-plan.ts";
import type { ImagePurpose } from "./purpose.ts";
import type { LoadMethod } from "./request.ts";

/** How an attempt ended that did not throw. */
export type LoadOutcome =
  | { readonly kind: "loaded" }
  /** The host has no such call, or did not understand the image: another attempt may work. */
  | { readonly kind: "unsupported"; readonly why: string };

/** Whether an image is loaded. */
export interface LoadedState {
  /** null where the host cannot tell. */
  readonly loaded: boolean | null;
  /** How far the host's answer can be trusted, or why there is none; null where it simply is so. */
  readonly doubt: string | null;
}

/** Whether the host takes plans of a kind, found out without loading anything. */
export interface HostProbe {
  readonly kind: PlanKind;
  /** What the call is named. */
  readonly call: string;
  readonly works: boolean;
  /** The host's own words where it does not, and what they mean. */
  readonly why: string | null;
  readonly hint: string | null;
}

export interface Backend {
  readonly name: "linux" | "xen";
  /** Why this backend was chosen, and how it reaches its host, for `-d`. */
  readonly evidence: readonly string[];
  /**
   * Refuses a purpose that this host does not have, before anything is done for it.
   * @throws KexecError
   */
  checkSupported(purpose: ImagePurpose, action: "load" | "exec"): void;
  /** Asks for each kind of plan whether it would be taken. Changes nothing. */
  probe(): readonly HostProbe[];
  /** The kinds of plan to try, best first, for what the user asked. */
  attempts(method: LoadMethod): readonly PlanKind[];
  /**
   * The facts of the machine that plans are for, from those that the running Linux shows.
   * @throws KexecError where the host cannot be asked
   */
  hostFacts(linux: HostFacts): HostFacts;
  /**
   * Hands the plan over. After a throw nothing is half loaded.
   * @throws KexecError where the host refused for a reason that another attempt cannot mend
   */
  load(plan: LoadPlan): LoadOutcome;
  /** Unloads what is loaded for `purpose`; nothing loaded is no failure. @throws KexecError */
  unload(purpose: ImagePurpose, method: LoadMethod): void;
  loadedState(purpose: ImagePurpose): LoadedState;
  /** Starts the loaded image: returns only by throwing KexecError, except for a live update, which
   * begins after the return, and for an image that jumped back to the running kernel. */
  exec(purpose: ImagePurpose): void;
  /**
   * Loads what jumps back, once started, to the kernel that was preserved.
   * @param entry as that kernel said on the command line; 0: unknown
   * @throws KexecError
   */
  loadJumpBack(entry: bigint): void;
  /** Closes what was opened. */
  close(): void;
}
