/** The `Arch` record of x86_64: all that other folders use of this one. */

import { type Range, rangeSize } from "../../core/range.ts";
import { uki } from "../../image/uki.ts";
import type { Arch } from "../../model/arch.ts";
import type { EntryState, X8664EntryState } from "../../model/entry-state.ts";
import type { Segment } from "../../model/load-plan.ts";
import {
  type PurgatoryBackup,
  type PurgatoryRegion,
  purgatoryMemorySize,
} from "../../purgatory/parameters.ts";
import { crashRules } from "./crash-parameters.ts";
import { fileNotes } from "./file-screen.ts";
import { findings } from "./findings.ts";
import { JUMP_BACK_ROOM } from "./handoff/jump-back.ts";
import { beoboot } from "./image/beoboot-x86.ts";
import { bzImage } from "./image/bzimage.ts";
import { bzImage64 } from "./image/bzimage64.ts";
import { elfX86 } from "./image/elf-x86.ts";
import { elfX8664 } from "./image/elf-x86-64.ts";
import { multibootX86 } from "./image/multiboot-x86.ts";
import { multiboot2X86 } from "./image/multiboot2-x86.ts";
import { nbiX86 } from "./image/nbi-x86.ts";
import { PHYSICAL_END, REACH } from "./layout.ts";
import { pointersOf } from "./pointers/index.ts";
import { x86Purgatory } from "./purgatory/index.ts";
import { buildPurgatory } from "./purgatory/parameters.ts";

/** The range that the purgatory checks: the loaded bytes. The rest of a segment is scratch memory
 * of the next kernel. */
function regionOf({ start, bytes, digest }: Segment): PurgatoryRegion[] {
  return digest === null ? [] : [{ start, length: BigInt(bytes.length), xxh64: digest }];
}

const backupOf = (backup: { source: Range; destination: bigint }): PurgatoryBackup => ({
  source: backup.source.start,
  destination: backup.destination,
  size: rangeSize(backup.source),
});

/**
 * @param end one past the purgatory's last address
 * @throws RangeError for an entry state of another architecture, or a purgatory that the CPU cannot
 *   reach in the image's entry mode: a bug in an image type
 */
function checkedState(state: EntryState, end: bigint): X8664EntryState {
  if (state.arch !== "x86_64") throw new RangeError(`the image's entry state is for ${state.arch}`);
  if (end > REACH[state.mode]) {
    throw new RangeError(`the purgatory lies above what ${state.mode}-bit code reaches`);
  }
  return state;
}

const purgatorySize = (): bigint => purgatoryMemorySize(x86Purgatory().manifest);

export const x86_64: Arch = {
  name: "x86_64",
  pageSizes: [4096],
  physicalEnd: PHYSICAL_END,
  imageTypes: [
    multiboot2X86,
    elfX8664,
    multibootX86,
    elfX86,
    bzImage64,
    bzImage,
    beoboot.type,
    nbiX86,
    uki.type,
  ],
  containers: [beoboot, uki],
  purgatory: {
    size: purgatorySize,
    build({ entryState, checked, console, backup, jumpBackText }, start) {
      const { manifest, blob } = x86Purgatory();
      const state = checkedState(entryState, start + purgatorySize());
      const regions = checked.flatMap(regionOf);
      const bytes = buildPurgatory(blob, manifest, {
        mode: state.mode,
        registers: state,
        segments: state.segments,
        interrupts: state.interrupts,
        regions,
        skipChecks: regions.length === 0,
        console,
        backup: backup === null ? undefined : backupOf(backup),
        jumpBackText: jumpBackText ?? undefined,
      });
      return { bytes, entry: BigInt(manifest.entryOffset) };
    },
  },
  pointers: pointersOf,
  findings,
  fileNotes,
  crash: crashRules,
  jumpBackRoom: JUMP_BACK_ROOM,
};
