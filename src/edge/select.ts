/** Chooses the backend for the machine. No other file asks "is this Xen?". */

import { ExitStatus, fail } from "../core/error.ts";
import type { Backend } from "../model/backend.ts";
import { linuxBackend } from "./linux/backend.ts";
import type { LinuxHost } from "./linux/host.ts";
import { type XenHost, xenBackend } from "./xen/backend.ts";
import { decideHost, type HypervisorEvidence } from "./xen/decide-host.ts";

/**
 * The backend for the machine that `evidence` was read on. Makes no kexec call and opens nothing.
 * @throws KexecError `xen.no-kexec` in a Xen domain without kexec, where Linux's own system call
 *   would crash the kernel or reset the machine
 */
export function selectBackend(
  evidence: HypervisorEvidence,
  linux: LinuxHost,
  xen: XenHost,
): Backend {
  const decision = decideHost(evidence);
  switch (decision.host) {
    case "linux":
      return linuxBackend(linux, decision.evidence);
    case "xen":
      return xenBackend(xen, decision.evidence);
    case "none":
      return fail({
        code: "xen.no-kexec",
        message: `kexec is not possible here: ${decision.why} (${decision.evidence.join(", ")})`,
        hint: decision.hint,
        exitStatus: ExitStatus.failed,
      });
  }
}
