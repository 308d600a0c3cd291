/** The page at address 0 for an image that was made for a BIOS, where EFI started the machine. */

import { GIB, hex } from "../../../core/address.ts";
import { covers, normalize, rangeSize } from "../../../core/range.ts";
import type { HostFacts } from "../../../model/host-facts.ts";
import type { PlanContext } from "../../../model/image-type.ts";
import type { Segment } from "../../../model/load-plan.ts";
import { BIOS_PAGE, biosPage, VECTORS_END } from "../handoff/bios-page.ts";
import { ROOT_POINTER_SIZE } from "../handoff/root-pointer-copy.ts";
import { startedByEfi } from "./needs-bios.ts";

/** Physical address of ACPI's root pointer for 32-bit code; null where it is unknown, or does not
 * end below 4 GiB. */
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
 * The page at 0, which the placer does not assign, because the interrupt vectors lie in it too.
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
    digest: null,
    // Memory maps list the page without the interrupt vectors at its start.
    ramFrom: VECTORS_END,
    reason: "the page where an image made for a BIOS reads the BIOS data area",
  };
  const note = "EFI started this machine: page 0 gets a BIOS data area and failing BIOS calls.";
  return { segment, notes: [note, aboutRootPointer(facts)] };
}

function aboutRootPointer(facts: HostFacts): string {
  const address = lowRootPointer(facts);
  if (address === null)
    return "ACPI's root pointer is not passed on: no address below 4 GiB known.";
  return (
    "ACPI's root pointer is copied to page 0. A PV dom0 does not look there: its kernel needs " +
    `acpi_rsdp=${hex(address)} on its command line.`
  );
}
