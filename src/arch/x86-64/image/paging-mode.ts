/** In which paging mode 64-bit code is entered: that of the running kernel. */

import type { HostFacts } from "../../../model/host-facts.ts";
import { type SetupHeader, XLF_5LEVEL } from "../handoff/setup-header.ts";

/** Whether the running kernel uses 5-level page tables; null where that is not known. Xen never
 * does. */
export function fiveLevelPaging({ xen, x86_64 }: HostFacts): boolean | null {
  return xen !== null ? false : (x86_64?.fiveLevelPaging ?? null);
}

/**
 * Why a kernel must not be entered in 64-bit mode here; null: it may. One that does not know of
 * 5-level paging would load page tables of four levels, and die of it. Its 32-bit entry finds
 * paging turned off. [x86-boot] 0x236 XLF_5LEVEL
 * @param facts null: nothing is known of the machine
 */
export function whyNotInThisPaging(
  { xloadflags }: Pick<SetupHeader, "xloadflags">,
  facts: HostFacts | null,
): string | null {
  if ((xloadflags & XLF_5LEVEL) !== 0 || facts === null) return null;
  const isOn = fiveLevelPaging(facts);
  if (isOn === false) return null;
  const state = isOn === null ? "may use" : "uses";
  return (
    `the running kernel ${state} 5-level page tables, which the 64-bit entry does not support: ` +
    "XLF_5LEVEL is not set at 0x236"
  );
}
