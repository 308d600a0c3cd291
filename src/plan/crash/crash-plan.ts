/**
 * What a crash kernel needs in addition to an ordinary one: the core header, a backup of the RAM
 * that it overwrites, its memory map, and the kernel parameters that pass these on. Pure.
 */

import { humanSize } from "../../core/address.ts";
import { ExitStatus, fail } from "../../core/error.ts";
import {
  byStart,
  isEmpty,
  normalize,
  overlapping,
  type Range,
  rangeOf,
  rangeSize,
  showRange,
  sortedByStart,
  subtract,
} from "../../core/range.ts";
import type { Arch, CrashHandoff } from "../../model/arch.ts";
import { noteSentence } from "../../model/fact-note.ts";
import type { CrashFacts, HostFacts } from "../../model/host-facts.ts";
import type { Segment } from "../../model/load-plan.ts";
import type { MemoryRange } from "../../model/memory.ts";
import type { LoadRequest } from "../../model/request.ts";
import type { PurposeInputs, PurposePlan } from "../purpose/purpose.ts";
import { type CrashRegion, checkCrashRegion } from "./crash-region.ts";
import { crashFacts, dumpedMemory } from "./dumped-memory.ts";
import { elfCoreHeader, elfCoreHeaderSize, type MovedMemory } from "./elf-core-header.ts";

const NO_BYTES = new Uint8Array(0);
/** Memory for the core header, in bytes, at least. The header is smaller: this keeps it out of
 * small gaps between a vmlinux's segments, which the kernel overwrites as part of its bss.
 * [kexec-tools] */
const ELFCOREHDR_MIN = 16n * 1024n;

/** Placed as high as possible, like all of a crash kernel, which needs low memory itself. */
const putBackup = (saved: Range, { put }: PurposeInputs): Segment =>
  put({
    role: "backup",
    size: rangeSize(saved),
    bytes: NO_BYTES,
    reason: `the purgatory saves ${showRange(saved)} here before the crash kernel uses it`,
  });

/** The crash kernel's memory map: as RAM `saved` and `regions` without the segments in `taken`, and
 * all ranges of `others` that are not RAM, for example firmware tables. One that overlaps an
 * earlier range is left out, as in kexec-tools. */
export function crashMemory(
  others: readonly MemoryRange[],
  regions: readonly Range[],
  taken: readonly Segment[],
  saved: Range | null,
): MemoryRange[] {
  const free = subtract(normalize(regions), taken.map(rangeOf));
  const ram = saved === null ? free : [saved, ...free];
  const memory = ram.map((r): MemoryRange => ({ ...r, type: "ram" }));
  const own = normalize(saved === null ? regions : [saved, ...regions]);
  // The end of the last one that is not left out: none that is has an earlier start.
  let known = 0n;
  for (const range of sortedByStart(others)) {
    if (range.type === "ram" || range.type === "uncached" || isEmpty(range)) continue;
    if (range.start < known || overlapping(own, range).length > 0) continue;
    known = range.end;
    memory.push(range);
  }
  return memory.sort(byStart);
}

const HEADER_SIZE = "/sys/kernel/crash_elfcorehdr_size";

/**
 * The size in /sys/kernel/crash_elfcorehdr_size, in bytes, for `--hotplug`.
 * @throws KexecError `plan.hotplug` in kexec-tools' words where the kernel does not have the file
 */
function hotplugHeaderSize({ kexec, notes }: HostFacts): bigint {
  const size = kexec.crashElfcorehdrSize ?? 0n;
  if (size > 0n) return size;
  const missing = notes.find(({ source }) => source === HEADER_SIZE);
  return fail({
    code: "plan.hotplug",
    message: [
      ...(missing === undefined ? [] : [`Cannot open ${noteSentence(missing).replace(/\.$/, "")}`]),
      `Path ${HEADER_SIZE} does not exist, the kernel needs CONFIG_CRASH_HOTPLUG`,
    ].join("\n"),
    hint: "Load without --hotplug, and again after each CPU or memory hotplug.",
    exitStatus: ExitStatus.general,
  });
}

/**
 * Checks that the running kernel can update a core header (`--hotplug`).
 * @throws KexecError `plan.hotplug` where it cannot
 */
export function requireHotplug(facts: HostFacts): void {
  hotplugHeaderSize(facts);
}

/** Memory for a core header of `length` bytes, in bytes: with `hotplug` as much as the kernel
 * demands, because it may write a longer header there. @throws KexecError `plan.hotplug` */
function headerSpace(facts: HostFacts, length: bigint, hotplug: boolean): bigint {
  if (!hotplug) return length > ELFCOREHDR_MIN ? length : ELFCOREHDR_MIN;
  const size = hotplugHeaderSize(facts);
  if (size >= length) return size;
  return fail({
    code: "plan.hotplug",
    message: `the core header has ${length} bytes, ${HEADER_SIZE} allows ${size}`,
    hint: "Load without --hotplug, and again after each CPU or memory hotplug.",
    exitStatus: ExitStatus.failed,
  });
}

export interface CoreHeaderPlan {
  readonly crash: CrashFacts;
  /** The RAM that the dump contains, sorted, disjoint. */
  readonly ram: readonly Range[];
  /** The range of `ram` that the purgatory copies elsewhere; null: none. */
  readonly moved: MovedMemory | null;
  readonly hotplug: boolean;
  readonly reason: string;
}

/** Takes memory for the core header, and makes its segment.
 * @throws KexecError `plan.hotplug`, `plan.no-room` */
export function putCoreHeader(
  facts: HostFacts,
  { crash, ram, moved, hotplug, reason }: CoreHeaderPlan,
  { put, arch }: PurposeInputs,
): Segment {
  const size = headerSpace(facts, BigInt(elfCoreHeaderSize(crash, ram)), hotplug);
  const bytes = elfCoreHeader(crash, ram, moved, arch.crash.elfMachine);
  return put({ role: "elfcorehdr", size, bytes, reason });
}

function hotplugNotes({ hotplug }: LoadRequest, facts: HostFacts): string[] {
  if (!hotplug) return [];
  return facts.crashRules.hotplug
    ? [
        "the kernel updates elfcorehdr on CPU and memory hotplug, so the purgatory does not check it",
      ]
    : ["--hotplug has no effect: the hypervisor does not update elfcorehdr"];
}

/**
 * The kernel parameters with which the architecture passes on the core header and the memory map.
 * @param found the core header's address, and the memory that the kernel may use and must know of
 */
export function crashParameters(
  { arch, takesEfi }: { readonly arch: Arch; readonly takesEfi: boolean },
  { passMemmapCmdline, noEfi }: LoadRequest,
  { efi, acpiRsdp }: HostFacts,
  found: Pick<CrashHandoff, "elfcorehdr" | "usable" | "memory">,
): readonly string[] {
  return arch.crash.parameters({
    ...found,
    memoryByCommandLine: passMemmapCmdline,
    efi: takesEfi && !noEfi && (efi?.runtimeMap.length ?? 0) > 0,
    acpiRsdp,
  });
}

/** A sentence: the RAM that the crash kernel gets. */
function memoryNote(region: CrashRegion, saved: Range | null, lowEnd: bigint | null): string {
  const own = [...region.all, ...region.cma];
  const regions = `the crash kernel gets ${own.map(showRange).join(" and ")}`;
  if (lowEnd === null) return regions;
  const low = saved === null ? `no memory below ${humanSize(lowEnd)}` : showRange(saved);
  return `${regions}, and ${low}`;
}

/**
 * Plans what a crash kernel needs besides its image.
 * @param region the reserved memory, from which `inputs.put` takes memory
 * @throws KexecError `facts.crash`, `plan.bad-crash-region`, `plan.hotplug`, `plan.no-room`
 */
export function planCrash(
  request: LoadRequest,
  facts: HostFacts,
  region: CrashRegion,
  inputs: PurposeInputs,
): PurposePlan {
  const { lowMemoryEnd } = inputs.arch.crash;
  const crash = crashFacts(facts, request.kernel);
  const own = [...region.all, ...region.cma];
  const { ram, saved } = dumpedMemory(crash, own, lowMemoryEnd);
  checkCrashRegion(region, saved);
  const hotplug = request.hotplug && facts.crashRules.hotplug;
  const backup = saved === null ? null : putBackup(saved, inputs);
  const moved =
    saved === null || backup === null ? null : { source: saved, destination: backup.start };
  const reason = "describes the crashed kernel's memory for /proc/vmcore";
  const header = putCoreHeader(facts, { crash, ram, moved, hotplug, reason }, inputs);
  const segments = backup === null ? [header] : [backup, header];
  const memory = crashMemory(crash.memory, own, segments, saved);
  const usable = saved === null ? own : [saved, ...own];
  return {
    segments,
    backup: moved,
    memory: request.passMemmapCmdline ? (facts.memoryMap?.ranges ?? []) : memory,
    parameters: crashParameters(inputs, request, facts, {
      elfcorehdr: header.start,
      usable,
      memory,
    }),
    hotplug,
    notes: [
      memoryNote(region, saved, lowMemoryEnd),
      ...(crash.vmcoreinfo === null ? ["no vmcoreinfo: Xen does not report its address"] : []),
      ...hotplugNotes(request, facts),
    ],
  };
}
