/** Reads what the BIOS said of its drives. */

import { EDD, parseEddDevice } from "../../arch/x86-64/facts/edd.ts";
import type { EddDevice } from "../../model/host-facts.ts";
import { attempt, type PseudoFiles } from "../files/read-pseudo-files.ts";

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
export function readEdd(files: PseudoFiles, notes: string[]): EddDevice[] {
  const devices = attempt(notes, () =>
    files
      .names(EDD)
      .filter((name) => name.startsWith("int13_dev"))
      .map((name) => readDevice(files, name)),
  );
  return devices ?? [];
}
