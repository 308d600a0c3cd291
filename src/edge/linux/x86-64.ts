/**
 * Reads what only Linux on x86_64 says: boot_params, which sysfs has, and debugfs on old kernels;
 * what the BIOS said of its drives; and whose screen the firmware's frame buffer still is.
 */

import { checkBootParams, findAcpiRsdp } from "../../arch/x86-64/facts/boot-params.ts";
import { EDD, parseEddDevice } from "../../arch/x86-64/facts/edd.ts";
import type { IomemResource } from "../../facts/iomem.ts";
import { MOUNTS, mountPoints } from "../../facts/mounts.ts";
import type { EddDevice, EfiFacts, HostFacts } from "../../model/host-facts.ts";
import { attempt, type PseudoFiles } from "../files/read-pseudo-files.ts";
import { readDisplay } from "./read-display.ts";

const BOOT_PARAMS = "/sys/kernel/boot_params/data";

/** Where else it may be: sysfs and debugfs can be mounted anywhere. */
function otherPlaces(files: PseudoFiles): string[] {
  const mounts = attempt([], () => files.text(MOUNTS)) ?? "";
  return [
    ...mountPoints(mounts, "sysfs").map((directory) => `${directory}/kernel/boot_params/data`),
    ...mountPoints(mounts, "debugfs").map((directory) => `${directory}/boot_params/data`),
  ];
}

/** 4096 bytes; null and a note where no place has them. */
function readBootParams(files: PseudoFiles, notes: string[]): Uint8Array | null {
  const problems: string[] = [];
  const read = (path: string): Uint8Array | null =>
    attempt(problems, () => checkBootParams(files.bytes(path), path));
  const usual = read(BOOT_PARAMS);
  if (usual !== null) return usual;
  for (const path of otherPlaces(files)) {
    const bytes = path === BOOT_PARAMS ? null : read(path);
    if (bytes !== null) return bytes;
  }
  notes.push(...problems.slice(0, 1));
  return null;
}

function readDevice(files: PseudoFiles, name: string): EddDevice {
  const text = (file: string): string | null => files.optionalText(`${EDD}/${name}/${file}`);
  return parseEddDevice(name, {
    version: text("version"),
    extensions: text("extensions"),
    legacy_max_cylinder: text("legacy_max_cylinder"),
    legacy_max_head: text("legacy_max_head"),
    legacy_sectors_per_track: text("legacy_sectors_per_track"),
    mbr_signature: text("mbr_signature"),
    raw_data: files.optionalBytes(`${EDD}/${name}/raw_data`),
  });
}

/** Sorted by drive number. Empty, and a note, where there is no EDD, or where one drive's entry is
 * damaged: as in kexec-tools, it is all or nothing. */
function readEdd(files: PseudoFiles, notes: string[]): EddDevice[] {
  const devices = attempt(notes, () =>
    files
      .names(EDD)
      .filter((name) => name.startsWith("int13_dev"))
      .map((name) => readDevice(files, name)),
  );
  return devices ?? [];
}

/** What only one architecture's kernel says. */
export type ArchFacts = Pick<HostFacts, "bootParams" | "edd" | "display" | "acpiRsdp">;

/**
 * Reads it; what is missing is null or empty, and a note.
 * @param resources all of /proc/iomem, as far as it could be read
 */
export function readX8664Facts(
  files: PseudoFiles,
  efi: EfiFacts | null,
  resources: readonly IomemResource[],
  notes: string[],
): ArchFacts {
  const bootParams = readBootParams(files, notes);
  return {
    bootParams,
    acpiRsdp: findAcpiRsdp(bootParams, efi),
    edd: readEdd(files, notes),
    display: readDisplay(files, resources),
  };
}
