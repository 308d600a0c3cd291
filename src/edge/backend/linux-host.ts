/** What the Linux backends need of the machine; tests give their own. */

import type { Architecture, KexecState } from "../../model/host-facts.ts";
import type { KexecCalls } from "../ffi/kexec-calls.ts";
import type { Explain } from "../host/explain-refusal.ts";

export interface LinuxHost {
  /** Of the running kernel; null on a machine that onekexec does not know. */
  readonly architecture: Architecture | null;
  readonly calls: KexecCalls;
  readonly explain: Explain;
  readKexecState(): KexecState;
}
