/** What the Linux backends need of the machine; tests give their own. */

import type { Architecture } from "../../model/architecture.ts";
import type { HostProbe } from "../../model/backend.ts";
import type { KexecState } from "../../model/host-facts.ts";
import { Errno } from "../ffi/errno.ts";
import type { Explain } from "./explain-refusal.ts";
import type { KexecCalls } from "./kexec-calls.ts";

export interface LinuxHost {
  /** Of the running kernel; null on a machine that onekexec does not know. */
  readonly architecture: Architecture | null;
  readonly calls: KexecCalls;
  readonly explain: Explain;
  readKexecState(): KexecState;
}

/**
 * What became of a call whose arguments the kernel must refuse.
 * @param errno EINVAL says that it got as far as these arguments, and so would take others
 */
export function probed(
  { calls, explain }: LinuxHost,
  kind: HostProbe["kind"],
  call: "kexec_file_load" | "kexec_load",
  errno: number,
): HostProbe {
  if (errno === Errno.EINVAL) return { kind, call, works: true, why: null, hint: null };
  const hint = explain(errno, call, "normal") ?? null;
  return { kind, call, works: false, why: calls.strerror(errno), hint };
}
