/** What an image that was made for a BIOS finds at address 0 where EFI started the machine. */

import { GIB, hex } from "../../../core/address.ts";
import { covers, normalize, rangeSize } from "../../../core/range.ts";
import type { HostFacts } from "../../../model/host-facts.ts";
import type { PlanContext } from "../../../model/image-type.ts";
import type { Segment } from "../../../model/load-plan.ts";
import { BIOS_PAGE, biosPage, VECTORS_END } from "../handoff/bios-page.ts";
import { ROOT_POINTER_SIZE } from "../handoff/root-pointer-copy.ts";
import { startedByEfi } from "./needs-bios.ts";

/** Where ACPI's root pointer is, for code of 32 bits; null where it is not known, or does not end
 * below 4 GiB. */
export function lowRootPointer({ acpiRsdp }: HostFacts): bigint | null {
  if (acpiRsdp === null || acpiRsdp + BigInt(ROOT_POINTER_SIZE) > 4n * GIB) return null;
  return acpiRsdp;
}

export interface PlacedBios {
  /** null: there is none. */
  readonly segment: Segment | null;
  readonly notes: readonly string[];
}

/**
 * The page at 0, which is not the placer's to give: vectors lie in it too.
 * @param lowerKib as `biosPage` takes it
 */
export function placeBios(context: PlanContext, lowerKib: number): PlacedBios {
  const { request, facts, ownsMachine, memory } = context;
  if (!ownsMachine || !startedByEfi(facts)) return { segment: null, notes: [] };
  const ram = normalize(memory.filter(({ type }) => type === "ram"));
  const isFree = covers(ram, { start: VECTORS_END, end: BIOS_PAGE.end });
  if (!isFree || request.memMin > VECTORS_END) {
    const note =
      "EFI started this machine, and page 0 is in use, so no BIOS data area is provided.";
    return { segment: null, notes: [note] };
  }
  const segment: Segment = {
    role: "bios-page",
    start: BIOS_PAGE.start,
    size: rangeSize(BIOS_PAGE),
    bytes: biosPage(lowerKib),
    sha256: null,
    // No map has the vectors in front of the rest of their page.
    ramFrom: VECTORS_END,
    reason: "an image that is entered as after a BIOS looks here for what one leaves",
  };
  const note = "EFI started this machine: the page at 0 is as after a BIOS whose calls all fail.";
  return { segment, notes: [note, aboutRootPointer(facts)] };
}

function aboutRootPointer(facts: HostFacts): string {
  const address = lowRootPointer(facts);
  if (address === null) return "ACPI's root pointer is not passed on: it is not known below 4 GiB.";
  return (
    "ACPI's root pointer is copied there; a PV dom0 of Xen looks elsewhere, and finds it by " +
    `acpi_rsdp=${hex(address)} among its kernel's words.`
  );
}
