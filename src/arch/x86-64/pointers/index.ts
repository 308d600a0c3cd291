/**
 * Every address that a plan for x86_64 has in the purgatory's parameters, in the registers of the
 * next kernel, and in what these lead to: read back from the bytes that are loaded, so that a
 * mistake of whoever made them is seen.
 */

import { Reader } from "../../../core/bytes.ts";
import { parameters } from "../../../core/command-line.ts";
import type { SegmentRole } from "../../../model/load-plan.ts";
import type { Pointer, PointingPlan } from "../../../model/pointer.ts";
import { purgatoryHead, purgatoryRegion } from "../../../purgatory/parameters.ts";
import { Elf_Bhdr } from "../handoff/elf-boot-notes.ts";
import { JUMP_BACK_ROOM } from "../handoff/jump-back.ts";
import { x86Purgatory } from "../purgatory/index.ts";
import { EntryMode, purgatoryEntry } from "../purgatory/parameters.ts";
import { bootParamsPointers, realModePointers } from "./linux.ts";
import { copyPointers, multibootPointers } from "./multiboot.ts";
import { nbiPointers } from "./nbi.ts";
import { bytesAt, wordAt } from "./segment-reader.ts";

type Entry = ReturnType<typeof purgatoryEntry.read>;

const hasRole = ({ segments }: PointingPlan, role: SegmentRole): boolean =>
  segments.some((segment) => segment.role === role);

/** Physical address of an offset in a segment of real mode. */
const linear = (segment: number, offset: bigint): bigint => BigInt(segment) * 16n + offset;

/** The first instruction of the image, and its stack. */
function entryPointers(plan: PointingPlan, entry: Entry): Pointer[] {
  const { entry_mode, rip, rsp, cs, ss } = entry;
  if (entry_mode === EntryMode[16]) {
    const roles = ["kernel", "real-mode"] as const;
    return [
      { what: "the image's entry", start: linear(cs, rip), size: 1n, roles },
      { what: "the image's stack", start: linear(ss, rsp) - 2n, size: 2n, roles: ["real-mode"] },
    ];
  }
  const stack: Pointer = {
    ...{ what: "the image's stack", start: rsp, size: 8n },
    roles: ["boot-notes", "real-mode"],
  };
  const image: Pointer = { what: "the image's entry", start: rip, size: 1n, roles: ["kernel"] };
  return [...(copyPointers(plan, rip) ?? [image]), ...(rsp === 0n ? [] : [stack])];
}

/** 64-bit code has their address in RDI, 32-bit code above its return address. */
function bootNotesPointers({ segments }: PointingPlan, entry: Entry): Pointer[] {
  const { entry_mode, rdi, rsp } = entry;
  const start = entry_mode === EntryMode[64] ? rdi : (wordAt(segments, rsp + 4n) ?? 0n);
  const header = bytesAt(segments, start, Elf_Bhdr.size);
  const size = header === null ? Elf_Bhdr.size : Elf_Bhdr.read(header).b_size;
  return [{ what: "the boot notes", start, size: BigInt(size), roles: ["boot-notes"] }];
}

/** What is handed over to the image, by its kind. */
function handoffPointers(plan: PointingPlan, entry: Entry): Pointer[] {
  if (hasRole(plan, "boot-params")) return bootParamsPointers(plan, entry.rsi);
  if (hasRole(plan, "multiboot-info")) return multibootPointers(plan, entry.rax, entry.rbx);
  if (hasRole(plan, "boot-notes")) return bootNotesPointers(plan, entry);
  if (plan.imageType === "nbi-x86") return nbiPointers(plan, entry);
  if (hasRole(plan, "real-mode")) return realModePointers(plan, linear(entry.ds, 0n));
  return [];
}

/** What the purgatory itself reads and writes. */
function purgatoryPointers(block: Uint8Array, jumpBackText: bigint): Pointer[] {
  const head = purgatoryHead.read(block);
  const regions = Array.from({ length: head.region_count }, (_, i): Pointer => {
    const { start, length } = purgatoryRegion.read(head.regions, i * purgatoryRegion.size);
    return { what: "memory that the purgatory checks", start, size: length, roles: null };
  });
  const backup: Pointer = {
    ...{ what: "the copy of low memory", start: head.backup_destination },
    ...{ size: head.backup_size, roles: ["backup"], memoryOnly: true },
  };
  const text: Pointer = {
    ...{ what: "the end of the command line", start: jumpBackText },
    ...{ size: BigInt(JUMP_BACK_ROOM), roles: ["boot-params"] },
  };
  return [
    ...regions,
    ...(head.backup_size === 0n ? [] : [backup]),
    ...(jumpBackText === 0n ? [] : [text]),
  ];
}

/** `elfcorehdr=`, of which the kernel uses the last. */
function coreHeaderPointers({ segments, commandLine }: PointingPlan): Pointer[] {
  const header = segments.find(({ role }) => role === "elfcorehdr");
  if (header === undefined) return [];
  const text = commandLine ?? "";
  const words = parameters(text).map(({ start, end }) => text.slice(start, end));
  const last = words.findLast((word) => word.startsWith("elfcorehdr=")) ?? "";
  const [, kib] = /^elfcorehdr=([0-9]{1,17})K$/.exec(last) ?? [];
  const start = kib === undefined ? 0n : BigInt(kib) * 1024n;
  const size = BigInt(header.bytes.length);
  return [{ what: "elfcorehdr=", start, size, roles: ["elfcorehdr"] }];
}

/**
 * The addresses of a plan; none of one without a purgatory.
 * @throws KexecError `struct.truncated` for a purgatory that is not whole
 */
export function pointersOf(plan: PointingPlan): Pointer[] {
  const purgatory = plan.segments.find(({ role }) => role === "purgatory");
  if (purgatory === undefined) return [];
  const { parameterOffset } = x86Purgatory().manifest;
  const reader = new Reader(purgatory.bytes, "purgatory");
  const block = reader.slice(parameterOffset, purgatoryHead.size);
  const entry = purgatoryEntry.read(block);
  return [
    ...entryPointers(plan, entry),
    ...handoffPointers(plan, entry),
    ...coreHeaderPointers(plan),
    ...purgatoryPointers(block, entry.jump_back_text),
  ];
}
