/** Reads the running kernel's boot_params, which sysfs has, and debugfs on old kernels. */

import { checkBootParams } from "../../arch/x86-64/facts/boot-params.ts";
import { MOUNTS, mountPoints } from "../../facts/mounts.ts";
import { attempt, type PseudoFiles } from "../files/read-pseudo-files.ts";

const USUAL = "/sys/kernel/boot_params/data";

/** Where else it may be: sysfs and debugfs can be mounted anywhere. */
function otherPlaces(files: PseudoFiles): string[] {
  const mounts = attempt([], () => files.text(MOUNTS)) ?? "";
  return [
    ...mountPoints(mounts, "sysfs").map((directory) => `${directory}/kernel/boot_params/data`),
    ...mountPoints(mounts, "debugfs").map((directory) => `${directory}/boot_params/data`),
  ];
}

/** 4096 bytes; null and a note where no place has them. */
export function readBootParams(files: PseudoFiles, notes: string[]): Uint8Array | null {
  const problems: string[] = [];
  const read = (path: string): Uint8Array | null =>
    attempt(problems, () => checkBootParams(files.bytes(path), path));
  const usual = read(USUAL);
  if (usual !== null) return usual;
  for (const path of otherPlaces(files)) {
    const bytes = path === USUAL ? null : read(path);
    if (bytes !== null) return bytes;
  }
  notes.push(...problems.slice(0, 1));
  return null;
}
