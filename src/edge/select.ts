/** Chooses the backend for the machine. No other file asks "is this Xen?". */

import { ExitStatus, fail } from "../core/error.ts";
import type { Backend } from "../model/backend.ts";
import { linuxBackend } from "./linux/backend.ts";
import type { LinuxHost } from "./linux/host.ts";
import type { XenHost } from "./xen/backend.ts";
import { decideHost, type HypervisorEvidence } from "./xen/decide-host.ts";

/**
 * A function that makes the backend for the machine that `evidence` was read on. It throws
 * `xen.no-kexec` in a Xen domain without kexec, where Linux's own system call would crash the
 * kernel or reset the machine. Makes no kexec call and opens nothing; Xen's part of the program is
 * imported only under Xen.
 * @param xen imports and makes what the Xen backend needs of the machine
 */
export async function selectBackend(
  evidence: HypervisorEvidence,
  linux: LinuxHost,
  xen: () => Promise<XenHost>,
): Promise<() => Backend> {
  const decision = decideHost(evidence);
  switch (decision.host) {
    case "linux":
      return () => linuxBackend(linux, decision.evidence);
    case "xen": {
      const [{ xenBackend }, host] = await Promise.all([import("./xen/backend.ts"), xen()]);
      return () => xenBackend(host, decision.evidence);
    }
    case "none":
      return () =>
        fail({
          code: "xen.no-kexec",
          message: `kexec is not possible here: ${decision.why} (${decision.evidence.join(", ")})`,
          hint: decision.hint,
          exitStatus: ExitStatus.failed,
        });
  }
}
