/** Reads the hypervisor's capabilities: the architectures of its guests. Pure. */

import type { Architecture } from "../../model/architecture.ts";

/**
 * The architecture of the kernels that Xen can start, from the text of XENVER_capabilities
 * (`xen-3.0-x86_64 hvm-3.0-x86_32 …`); null for an architecture that onekexec does not support.
 * [xen xen/include/public/version.h]
 */
export function architectureOfCapabilities(capabilities: string): Architecture | null {
  const words = capabilities.split(/[ \t\n]+/);
  return words.includes("xen-3.0-x86_64") ? "x86_64" : null;
}
