/**
 * Makes many-ranges.json of qemu-6g-bios.json: the same machine, but its memory above 4 GiB is cut
 * into 160 ranges, as large servers' firmware does it. More than 128 ranges do not fit boot_params
 * and go to the next kernel by SETUP_E820_EXT.
 *
 *     bun test/facts/machines/make-many-ranges.ts
 */

import { factsFromJson, factsToJson } from "../../../src/facts/facts-file.ts";
import type { MemoryRange, MemoryType } from "../../../src/model/memory.ts";

const OTHER: readonly MemoryType[] = ["reserved", "acpi", "acpi-nvs", "pmem", "pram"];
const PIECE = 0x100_0000n;
const HOLE = 0x1_0000n;

/** 16 MiB pieces, the last 64 KiB of each of another type: twice as many ranges as pieces. */
function cut(r: MemoryRange): MemoryRange[] {
  const pieces: MemoryRange[] = [];
  for (let start = r.start, i = 0; start < r.start + 80n * PIECE; start += PIECE, i += 1) {
    const hole = start + PIECE - HOLE;
    const type = OTHER[i % OTHER.length] ?? "reserved";
    pieces.push({ start, end: hole, type: "ram" }, { start: hole, end: start + PIECE, type });
  }
  return [...pieces, { ...r, start: r.start + 80n * PIECE }];
}

const here = import.meta.dir;
const facts = factsFromJson(await Bun.file(`${here}/qemu-6g-bios.json`).text());
if (facts.memoryMap === null) throw new Error("qemu-6g-bios.json has no memory map");
const ranges = facts.memoryMap.ranges.flatMap((r) => (r.start === 1n << 32n ? cut(r) : [r]));
/** Linux has nothing of page 0. */
const FIRST_PAGE = 0x1000n;
const systemRam = ranges
  .filter(({ type }) => type === "ram")
  .map(({ start, end }) => ({ start: start < FIRST_PAGE ? FIRST_PAGE : start, end }));
const many = { ...facts, memoryMap: { ...facts.memoryMap, ranges }, systemRam };
await Bun.write(`${here}/many-ranges.json`, factsToJson(many));
