/** Reads the EFI system table's addresses and the runtime memory map from sysfs. */

import { EFI, parseEfiRuntimeMapEntry, parseEfiSystab } from "../../facts/efi.ts";
import { parseNumber } from "../../facts/sysfs-number.ts";
import { type FactNote, noteOf } from "../../model/fact-note.ts";
import type { EfiFacts, EfiMemoryDescriptor } from "../../model/host-facts.ts";
import { attempt, type PseudoFiles } from "../files/read-pseudo-files.ts";

/** The descriptors of EFI's runtime memory, in the kernel's order.
 * @throws KexecError where any of them is missing or damaged: part of the map cannot be used */
function readRuntimeMap(files: PseudoFiles): EfiMemoryDescriptor[] {
  return files.names(`${EFI}/runtime-map`).map((name) => {
    const file = (field: string): string => files.text(`${EFI}/runtime-map/${name}/${field}`);
    return parseEfiRuntimeMapEntry({
      name,
      type: file("type"),
      phys_addr: file("phys_addr"),
      virt_addr: file("virt_addr"),
      num_pages: file("num_pages"),
      attribute: file("attribute"),
    });
  });
}

/** The facts of EFI; null and a note on a machine without EFI. A part that is missing or damaged is
 * null or empty, and `notes` gets the reason. */
export function readEfi(files: PseudoFiles, notes: FactNote[]): EfiFacts | null {
  if (attempt(notes, () => files.names(EFI)) === null) return null;
  const address = (name: string): bigint | null =>
    attempt(notes, () => parseNumber(files.text(`${EFI}/${name}`), `${EFI}/${name}`));
  const systab = attempt(notes, () => parseEfiSystab(files.text(`${EFI}/systab`)));
  notes.push(...(systab?.notes ?? []).map((note) => noteOf(note, "machine")));
  return {
    systab: systab?.tables ?? [],
    fwVendor: address("fw_vendor"),
    runtime: address("runtime"),
    configTable: address("config_table"),
    runtimeMap: attempt(notes, () => readRuntimeMap(files)) ?? [],
  };
}
