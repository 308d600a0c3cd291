/**
 * /sys/firmware/efi: what the next kernel needs to use EFI's runtime services, and the addresses of
 * firmware tables. The plan decides whether that is enough for the next kernel.
 */

import type { EfiFacts, EfiMemoryDescriptor } from "../model/host-facts.ts";
import { parseNumber, parseSmallNumber, quoted } from "./sysfs-number.ts";

export const EFI = "/sys/firmware/efi";

/** Name and physical address of a firmware table. */
export type EfiTable = EfiFacts["systab"][number];

export interface EfiSystab {
  /** In the order of the file. */
  readonly tables: readonly EfiTable[];
  /** One sentence for each line that was left out. */
  readonly notes: readonly string[];
}

/** Parses `NAME=0xADDRESS` lines; others are left out, with a note.
 * [linux drivers/firmware/efi/efi.c systab_show] */
export function parseEfiSystab(text: string): EfiSystab {
  const tables: EfiTable[] = [];
  const notes: string[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line === "") continue;
    const [, name, digits] = /^([^= \t]+)=0x([0-9a-f]{1,16})$/i.exec(line) ?? [];
    if (name !== undefined && digits !== undefined) {
      tables.push({ name, address: BigInt(`0x${digits}`) });
    } else {
      notes.push(`${EFI}/systab line ${index + 1} is not NAME=0xADDRESS: ${quoted(line)}.`);
    }
  }
  return { tables, notes };
}

/** The texts of the files in one directory of runtime-map. */
export interface EfiRuntimeMapEntry {
  /** The directory's name, a number. */
  readonly name: string;
  readonly type: string;
  readonly phys_addr: string;
  readonly virt_addr: string;
  readonly num_pages: string;
  readonly attribute: string;
}

/** One memory descriptor. @throws KexecError `facts.number` */
export function parseEfiRuntimeMapEntry(entry: EfiRuntimeMapEntry): EfiMemoryDescriptor {
  const directory = `${EFI}/runtime-map/${entry.name}`;
  return {
    type: parseSmallNumber(entry.type, `${directory}/type`, 32),
    physAddr: parseNumber(entry.phys_addr, `${directory}/phys_addr`),
    virtAddr: parseNumber(entry.virt_addr, `${directory}/virt_addr`),
    numPages: parseNumber(entry.num_pages, `${directory}/num_pages`),
    attribute: parseNumber(entry.attribute, `${directory}/attribute`),
  };
}

/** The physical address of the ACPI root pointer in EFI's system table: ACPI20, the 64-bit one, is
 * preferred to ACPI; null where the table has neither. */
export function efiRootPointer(efi: EfiFacts | null): bigint | null {
  for (const wanted of ["ACPI20", "ACPI"]) {
    const table = efi?.systab.find(({ name }) => name === wanted);
    if (table !== undefined && table.address !== 0n) return table.address;
  }
  return null;
}
