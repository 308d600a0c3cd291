/** What kinds of guests a hypervisor runs, and so what its kexec can start. Pure. */

import type { Architecture } from "../../model/architecture.ts";

/**
 * The architecture that Xen starts kernels of, from XENVER_capabilities
 * (`xen-3.0-x86_64 hvm-3.0-x86_32 …`); null for one that onekexec does not plan for.
 * [xen xen/include/public/version.h]
 */
export function architectureOfCapabilities(capabilities: string): Architecture | null {
  const words = capabilities.split(/[ \t\n]+/);
  return words.includes("xen-3.0-x86_64") ? "x86_64" : null;
}
