/**
 * What a crash kernel needs besides an ordinary one: the core header, a place for what it would
 * overwrite, the memory that it may use, and the parameters that pass these on. Pure.
 */

import { humanSize } from "../../core/address.ts";
import { ExitStatus, fail } from "../../core/error.ts";
import {
  byStart,
  normalize,
  overlaps,
  type Range,
  rangeOf,
  rangeSize,
  showRange,
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
/** More than the header needs, so that nothing lies in what a kernel takes for its bss.
 * [kexec-tools] */
const ELFCOREHDR_MIN = 16n * 1024n;

/** Like all of a crash kernel as high as can be: low memory is what it asks for most. */
const putBackup = (saved: Range, { put }: PurposeInputs): Segment =>
  put({
    role: "backup",
    size: rangeSize(saved),
    bytes: NO_BYTES,
    reason: `the purgatory saves ${showRange(saved)} here, which the crash kernel uses`,
  });

/** RAM for the crash kernel is what is reserved and not taken, and the low RAM that is saved. It
 * must know, too, of what firmware keeps; what overlaps is left out, as in kexec-tools. */
export function crashMemory(
  others: readonly MemoryRange[],
  regions: readonly Range[],
  taken: readonly Segment[],
  saved: Range | null,
): MemoryRange[] {
  const free = subtract(normalize(regions), taken.map(rangeOf));
  const ram = saved === null ? free : [saved, ...free];
  const memory = ram.map((r): MemoryRange => ({ ...r, type: "ram" }));
  const known: Range[] = saved === null ? [...regions] : [saved, ...regions];
  for (const range of others) {
    if (range.type === "ram" || range.type === "uncached") continue;
    if (known.some((r) => overlaps(r, range))) continue;
    known.push(range);
    memory.push(range);
  }
  return memory.sort(byStart);
}

const HEADER_SIZE = "/sys/kernel/crash_elfcorehdr_size";

/**
 * The size of /sys/kernel/crash_elfcorehdr_size, for `--hotplug`.
 * @throws KexecError `plan.hotplug` in kexec-tools' words where the kernel has no such thing
 */
export function hotplugHeaderSize({ kexec, notes }: HostFacts): bigint {
  const size = kexec.crashElfcorehdrSize ?? 0n;
  if (size > 0n) return size;
  const missing = notes.find(({ source }) => source === HEADER_SIZE);
  return fail({
    code: "plan.hotplug",
    message: [
      ...(missing === undefined ? [] : [`Cannot open ${noteSentence(missing).replace(/\.$/, "")}`]),
      `Path ${HEADER_SIZE} does not exist, the kernel needs CONFIG_CRASH_HOTPLUG`,
    ].join("\n"),
    hint: "Load without --hotplug, and again whenever CPUs or memory come or go.",
    exitStatus: ExitStatus.general,
  });
}

/** The header's memory: with `hotplug` as much as the kernel says, which writes longer ones. */
function headerSpace(facts: HostFacts, length: bigint, hotplug: boolean): bigint {
  if (!hotplug) return length > ELFCOREHDR_MIN ? length : ELFCOREHDR_MIN;
  const size = hotplugHeaderSize(facts);
  if (size >= length) return size;
  return fail({
    code: "plan.hotplug",
    message: `the core header has ${length} bytes, and ${HEADER_SIZE} gives room for ${size}`,
    hint: "Load without --hotplug, and again whenever CPUs or memory come or go.",
    exitStatus: ExitStatus.failed,
  });
}

export interface CoreHeaderPlan {
  readonly crash: CrashFacts;
  /** What is to be dumped, and what of it is moved before. */
  readonly ram: readonly Range[];
  readonly moved: MovedMemory | null;
  readonly hotplug: boolean;
  readonly reason: string;
}

/** Takes memory for the core header, and makes it.
 * @throws KexecError `plan.hotplug`, `plan.no-room` */
export function putCoreHeader(
  facts: HostFacts,
  { crash, ram, moved, hotplug, reason }: CoreHeaderPlan,
  { put }: PurposeInputs,
): Segment {
  const size = headerSpace(facts, BigInt(elfCoreHeaderSize(crash, ram)), hotplug);
  return put({ role: "elfcorehdr", size, bytes: elfCoreHeader(crash, ram, moved), reason });
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
 * The kernel parameters that pass on where a dump is, as the architecture does it.
 * @param found the core header, and the memory that the kernel may use and must know of
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

/** What the crash kernel gets as its RAM, in a sentence. */
function memoryNote(region: CrashRegion, saved: Range | null, lowEnd: bigint | null): string {
  const own = [...region.all, ...region.cma];
  const regions = `the crash kernel gets ${own.map(showRange).join(" and ")}`;
  if (lowEnd === null) return regions;
  const low = saved === null ? `no memory below ${humanSize(lowEnd)}` : showRange(saved);
  return `${regions}, and ${low}`;
}

/**
 * Plans what a crash kernel needs besides its image.
 * @param region all that is reserved, of which `inputs.put` takes memory
 * @throws KexecError `facts.crash`, `plan.bad-crash-region`, `plan.hotplug`, `plan.no-room`
 */
export function planCrash(
  request: LoadRequest,
  facts: HostFacts,
  region: CrashRegion,
  inputs: PurposeInputs,
): PurposePlan {
  const { lowMemoryEnd } = inputs.arch.crash;
  const crash = crashFacts(facts, request.kernel ?? "");
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
      ...(crash.vmcoreinfo === null ? ["no vmcoreinfo: Xen does not say where its own is"] : []),
      ...hotplugNotes(request, facts),
    ],
  };
}
