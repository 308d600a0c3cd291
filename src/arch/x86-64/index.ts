/** x86_64: what a plan needs to know of it. */

import { ADDRESS_END, GIB, KIB } from "../../core/address.ts";
import { type Range, rangeSize } from "../../core/range.ts";
import type { Arch } from "../../model/arch.ts";
import type { Segment } from "../../model/load-plan.ts";
import {
  type PurgatoryBackup,
  type PurgatoryRegion,
  purgatoryMemorySize,
} from "../../purgatory/parameters.ts";
import { fileNotes } from "./file-screen.ts";
import { findings } from "./findings.ts";
import { x86Purgatory } from "./purgatory/index.ts";
import { buildPurgatory } from "./purgatory/parameters.ts";

/** One past the highest address of code, by its width. */
const REACH = { 64: ADDRESS_END, 32: 4n * GIB, 16: 640n * KIB } as const;

/** Only the bytes that were loaded are checked: what lies behind them is scratch memory. */
function regionOf({ start, bytes, sha256 }: Segment): PurgatoryRegion[] {
  return sha256 === null ? [] : [{ start, length: BigInt(bytes.length), sha256 }];
}

const backupOf = (backup: { source: Range; destination: bigint }): PurgatoryBackup => ({
  source: backup.source.start,
  destination: backup.destination,
  size: rangeSize(backup.source),
});

export const x86_64: Arch = {
  name: "x86_64",
  findings,
  fileNotes,
  // Position-independent, so it may lie anywhere above the first pages, where firmware keeps data;
  // but where it turns paging off, only 32-bit addresses are left, and in real mode the lowest MiB,
  // which has RAM up to 640 KiB.
  purgatoryWindow: (entryBits) => ({ start: 0x3000n, end: REACH[entryBits] }),
  purgatorySize: () => purgatoryMemorySize(x86Purgatory().manifest),
  buildPurgatory({ entryState, checked, console, backup, jumpBackText }) {
    const { manifest, blob } = x86Purgatory();
    const regions = checked.flatMap(regionOf);
    const bytes = buildPurgatory(blob, manifest, {
      mode: entryState.mode,
      registers: entryState,
      segments: entryState.segments,
      interrupts: entryState.interrupts,
      regions,
      skipChecks: regions.length === 0,
      console,
      backup: backup === null ? undefined : backupOf(backup),
      jumpBackText: jumpBackText ?? undefined,
    });
    return { bytes, entry: BigInt(manifest.entryOffset) };
  },
};
