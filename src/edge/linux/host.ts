/** The calls and facts that the Linux backend needs of the machine; tests pass their own. */

import type { Architecture } from "../../model/architecture.ts";
import type { HostProbe } from "../../model/backend.ts";
import type { KexecState } from "../../model/host-facts.ts";
import { Errno } from "../ffi/errno.ts";
import type { Explain } from "./explain-refusal.ts";
import type { KexecCalls } from "./kexec-calls.ts";

export interface LinuxHost {
  /** Of the running kernel; null on an architecture that onekexec does not know. */
  readonly architecture: Architecture | null;
  readonly calls: KexecCalls;
  readonly explain: Explain;
  readKexecState(): KexecState;
  /** The memory that the running kernel can still allocate, in bytes; null: unknown. */
  availableMemory(): bigint | null;
}

/**
 * The result of a probe: a kexec call with arguments that every kernel must reject.
 * @param errno of that call. EINVAL: the kernel has checked privileges, sysctls and lockdown before
 *   the arguments, so the call works. Another number: the call fails with any arguments.
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
