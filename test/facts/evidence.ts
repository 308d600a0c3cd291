/** What machines show of a hypervisor, for tests of what follows from it. */

import type { HypervisorEvidence } from "../../src/edge/xen/decide-host.ts";

export const BARE: HypervisorEvidence = {
  architecture: "x86_64",
  type: null,
  guestType: null,
  features: null,
  capabilities: null,
  procXen: false,
  xenInterrupts: false,
  unreadable: [],
  version: null,
};
export const XEN = { ...BARE, type: "xen", procXen: true };
