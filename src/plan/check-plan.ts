/**
 * Checks a plan as the host will do, before it is handed over: the host would only answer "Invalid
 * argument". [linux kernel/kexec_core.c sanity_check_segment_list] [xen xen/common/kimage.c
 * do_kimage_alloc]
 */

import { findArch } from "../arch/index.ts";
import { ADDRESS_END, hex, humanSize } from "../core/address.ts";
import { ExitStatus, fail } from "../core/error.ts";
import {
  byStart,
  covers,
  normalize,
  overlaps,
  type Range,
  rangeOf,
  showRange,
  totalSize,
} from "../core/range.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { Segment, SegmentPlan } from "../model/load-plan.ts";
import type { Pointer } from "../model/pointer.ts";
import type { ImagePurpose } from "../model/purpose.ts";
import { purposeOf } from "./purpose/index.ts";

const nameOf = (segment: Segment) => `the ${segment.role} segment ${showRange(rangeOf(segment))}`;

/**
 * Checks one plan against what the host demands.
 * @param usable memory that segments may go to: the destinations of the plan's purpose
 * @throws KexecError `plan.*` naming the first demand that is not met, with the numbers
 */
export function checkPlan(plan: SegmentPlan, usable: readonly Range[], facts: HostFacts): void {
  checkCount(plan, facts);
  for (const segment of plan.segments) checkSegment(segment, facts);
  checkOverlap(plan.segments);
  const loaded = plan.segments.filter(({ role }) => role !== "mapped");
  checkMemory(loaded, normalize(usable), plan.purpose);
  if (facts.segmentRules.halfOfMemory) checkTotal(loaded, facts);
  checkMapped(plan.segments, facts);
  checkEntry(plan);
  checkPointers(plan, findArch(facts)?.pointers(plan) ?? []);
}

function checkCount({ segments }: SegmentPlan, { segmentRules: { countMax } }: HostFacts): void {
  if (segments.length > 0 && segments.length <= countMax) return;
  fail({
    code: "plan.segment-count",
    message: `the plan has ${segments.length} segments, this host takes 1 to ${countMax}`,
    exitStatus: ExitStatus.failed,
  });
}

/** The host does not check this: the next kernel would take a page fault when it starts. */
function checkMapped(segments: readonly Segment[], { segmentRules: { mapped } }: HostFacts): void {
  if (mapped === null || covers(normalize(segments.map(rangeOf)), mapped)) return;
  fail({
    code: "plan.mapped",
    message:
      `the next kernel needs all of ${showRange(mapped)} mapped, ` +
      "and the segments do not cover all of it",
    exitStatus: ExitStatus.failed,
  });
}

function checkSegment(segment: Segment, facts: HostFacts): void {
  const { start, size, bytes } = segment;
  const page = BigInt(facts.pageSize);
  const end = start + size;
  if (size <= 0n || start < 0n || end > ADDRESS_END) {
    fail({
      code: "plan.segment-range",
      message: `${nameOf(segment)} is empty or beyond the end of the address space`,
      exitStatus: ExitStatus.failed,
    });
  }
  if (start % page !== 0n || end % page !== 0n) {
    fail({
      code: "plan.alignment",
      message: `${nameOf(segment)} does not begin and end at a multiple of ${hex(page)}`,
      exitStatus: ExitStatus.failed,
    });
  }
  if (BigInt(bytes.length) > size) {
    fail({
      code: "plan.segment-size",
      message:
        `${nameOf(segment)} has ${hex(size)} bytes of memory, ` +
        `too few for its contents of ${hex(bytes.length)} bytes`,
      exitStatus: ExitStatus.failed,
    });
  }
}

function checkOverlap(segments: readonly Segment[]): void {
  const sorted = segments.toSorted(byStart);
  sorted.forEach((segment, i) => {
    const next = sorted[i + 1];
    if (next === undefined || !overlaps(rangeOf(segment), rangeOf(next))) return;
    fail({
      code: "plan.overlap",
      message: `Overlapping memory segments at ${hex(next.start)}`,
      hint: `${nameOf(segment)} and ${nameOf(next)} overlap.`,
      exitStatus: ExitStatus.failed,
    });
  });
}

/** The part of a segment that must be RAM in the memory map. */
function neededOf(segment: Segment): Range {
  const range = rangeOf(segment);
  return { ...range, start: segment.ramFrom ?? range.start };
}

function checkMemory(
  segments: readonly Segment[],
  usable: readonly Range[],
  purpose: ImagePurpose,
): void {
  const where = purposeOf(purpose).destinationName(usable);
  for (const segment of segments) {
    if (covers(usable, neededOf(segment))) continue;
    const { start, end } = rangeOf(segment);
    fail({
      code: "plan.not-ram",
      message: `Invalid memory segment ${hex(start)} - ${hex(end - 1n)}`,
      hint: `${nameOf(segment)} is not wholly inside ${where}.`,
      exitStatus: ExitStatus.failed,
    });
  }
}

/** Linux accepts segments that take at most half of its memory in total. */
function checkTotal(segments: readonly Segment[], facts: HostFacts): void {
  const total = segments.reduce((sum, { size }) => sum + size, 0n);
  const limit = (facts.memTotal ?? mappedMemory(facts)) / 2n;
  if (total <= limit) return;
  fail({
    code: "plan.too-large",
    message:
      `the segments take ${humanSize(total)} (${hex(total)} bytes), the kernel allows half of ` +
      `this machine's memory: ${humanSize(limit)} (${hex(limit)} bytes)`,
    hint: "Use a smaller initrd, or add memory.",
    exitStatus: ExitStatus.failed,
  });
}

/** All RAM of the memory map, in bytes: a little more than MemTotal, which may be unknown. */
function mappedMemory(facts: HostFacts): bigint {
  const ranges = facts.memoryMap?.ranges ?? [];
  return totalSize(ranges.filter(({ type }) => type === "ram"));
}

function checkEntry({ entry, segments }: SegmentPlan): void {
  if (segments.some((s) => entry >= s.start && entry < s.start + BigInt(s.bytes.length))) return;
  fail({
    code: "plan.entry",
    message: `the entry point ${hex(entry)} is in no segment`,
    exitStatus: ExitStatus.failed,
  });
}

/** The entry above is the purgatory's: these are the image's own, and its pointers. */
function checkPointers({ segments }: SegmentPlan, pointers: readonly Pointer[]): void {
  for (const { what, start, size, roles, memoryOnly } of pointers) {
    const places = segments.filter(({ role }) => roles === null || roles.includes(role));
    const isInside = places.some((segment) => {
      const length = memoryOnly === true ? segment.size : BigInt(segment.bytes.length);
      return start >= segment.start && start + size <= segment.start + length;
    });
    if (isInside) continue;
    const where = roles === null ? "no segment" : `no ${roles.join(" or ")} segment`;
    fail({
      code: "plan.pointer",
      message: `${what} at ${hex(start)}, ${hex(size)} bytes, is in ${where}`,
      hint: "The plan contradicts itself, which is a mistake of this program: please report it.",
      exitStatus: ExitStatus.failed,
    });
  }
}
