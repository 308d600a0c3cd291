/**
 * The interface of a host (Linux, Xen) that loads and starts plans. Every host has every method,
 * and only edge/select.ts asks which host this is.
 */

import type { HostFacts } from "./host-facts.ts";
import type { LoadPlan, PlanKind } from "./load-plan.ts";
import type { ImagePurpose } from "./purpose.ts";
import type { LoadMethod } from "./request.ts";

/** The result of an attempt to load that did not throw. */
export type LoadOutcome =
  | { readonly kind: "loaded" }
  /** The host does not have the call, or does not support the image: another attempt may work. */
  | { readonly kind: "unsupported"; readonly why: string };

/** Whether an image is loaded. */
export interface LoadedState {
  /** null: the host does not report it. */
  readonly loaded: boolean | null;
  /** Why the host's answer may be wrong, or why there is none; null: the answer is reliable. */
  readonly doubt: string | null;
}

/** Whether the host accepts plans of a kind, found out without loading anything. */
export interface HostProbe {
  readonly kind: PlanKind;
  /** The name of the call. */
  readonly call: string;
  readonly works: boolean;
  /** The host's own error where the call does not work; `hint` explains it. */
  readonly why: string | null;
  readonly hint: string | null;
}

export interface Backend {
  readonly name: "linux" | "xen";
  /** Whether the files of a load may be mapped: what was loaded from one that changed meanwhile is
   * unloaded at once and loaded anew, which not every host does well. */
  readonly mapsFiles: boolean;
  /** Why this backend was chosen, and how it reaches its host, for `-d`. */
  readonly evidence: readonly string[];
  /**
   * Refuses a purpose that this host does not support, before anything is done for it.
   * @throws KexecError
   */
  checkSupported(purpose: ImagePurpose, action: "load" | "exec"): void;
  /** Finds out for each kind of plan whether the host accepts it. Changes nothing. */
  probe(): readonly HostProbe[];
  /** The kinds of plan to try for the requested method, best first. */
  attempts(method: LoadMethod): readonly PlanKind[];
  /**
   * The facts of the machine for which plans are made, from those of the running Linux.
   * @throws KexecError where the host does not answer
   */
  hostFacts(linux: HostFacts): HostFacts;
  /**
   * Hands the plan over. After an error nothing is half loaded.
   * @throws KexecError where the host refuses for a reason that no other kind of plan avoids
   */
  load(plan: LoadPlan): LoadOutcome;
  /** Unloads the image for `purpose`; it is no error if none is loaded. @throws KexecError */
  unload(purpose: ImagePurpose, method: LoadMethod): void;
  loadedState(purpose: ImagePurpose): LoadedState;
  /** Starts the loaded image: returns only by throwing KexecError, except for a live update, which
   * begins after the return, and for an image that jumped back to the running kernel. */
  exec(purpose: ImagePurpose): void;
  /**
   * Loads an image that, once started, jumps back to the preserved kernel.
   * @param entry physical address, as that kernel passed it on the command line; 0: unknown
   * @throws KexecError
   */
  loadJumpBack(entry: bigint): void;
  /** Closes the libraries and devices that it opened. */
  close(): void;
}
