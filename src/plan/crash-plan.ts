/**
 * What a crash kernel needs besides an ordinary one: the core header, a place for what it would
 * overwrite, the memory that it may use, and words on its command line. Pure.
 */

import { alignUp, hex, humanSize } from "../core/address.ts";
import { ExitStatus, fail } from "../core/error.ts";
import { normalize, type Range, rangeSize, subtract } from "../core/range.ts";
import { elfCoreHeader, elfCoreHeaderSize, type MovedMemory } from "../handoff/elf-core-header.ts";
import type { CrashFacts, HostFacts } from "../model/host-facts.ts";
import type { Placement } from "../model/image-type.ts";
import type { Segment } from "../model/load-plan.ts";
import type { MemoryRange, MemoryType } from "../model/memory.ts";
import type { RunRequest } from "../model/request.ts";

const KIB = 1024n;
/** RAM that kernels use for what must lie low, and so overwrite. */
const LOW_END = 0xa0000n;
/** More than the header needs, so that nothing lies in what a kernel takes for its bss. */
const ELFCOREHDR_MIN = 16n * KIB;
/** A `memmap=` for less is not worth its length. [kexec-tools] */
const MEMMAP_MIN = 100n * KIB;
/** A kernel that has less beside what is loaded rarely comes up. */
const ROOM_MIN = 48n << 20n;

export interface CrashPlan {
  /** The core header and the backup. */
  readonly segments: readonly Segment[];
  /** What the purgatory copies before it starts the crash kernel. */
  readonly backup: MovedMemory | null;
  /** What the crash kernel is told of memory. */
  readonly memory: readonly MemoryRange[];
  /** To be appended to its command line; begins with a blank. */
  readonly commandLine: string;
}

/**
 * The memory that crash kernels go into: of several regions the highest, which is the one that
 * Linux accepts.
 * @throws KexecError `plan.no-crash-region` in kexec-tools' words
 */
export function crashRegion(facts: HostFacts): Range {
  const region = facts.crashRegions.at(-1);
  if (region !== undefined) return region;
  return fail({
    code: "plan.no-crash-region",
    message:
      "Memory for crashkernel is not reserved\n" +
      'Please reserve memory by passing"crashkernel=Y@X" parameter to kernel\n' +
      "Then try to loading kdump kernel",
    hint:
      facts.memoryMap?.source === "xen"
        ? "crashkernel= belongs on Xen's command line: it is Xen that reserves the memory."
        : undefined,
    exitStatus: ExitStatus.general,
  });
}

function crashFacts(facts: HostFacts): CrashFacts {
  if (facts.crash !== null && facts.crash.memory.length > 0) return facts.crash;
  return fail({
    code: "facts.crash",
    message: "Could not get memory layout",
    hint: "Nothing says what memory a dump would have: /proc/iomem could not be read.",
    exitStatus: ExitStatus.failed,
  });
}

const isRam = ({ type }: MemoryRange) => type === "ram";

/** RAM that is dumped: all of it but what is reserved for crash kernels. */
function dumpedRam(crash: CrashFacts, reserved: readonly Range[]): Range[] {
  return crash.memory.filter(isRam).flatMap((ram) => subtract([ram], reserved));
}

function placeBackup(
  ram: readonly Range[],
  place: (placement: Placement) => bigint,
  page: bigint,
): { readonly moved: MovedMemory; readonly segment: Segment } | null {
  const source = ram.find(({ end }) => end <= LOW_END);
  if (source === undefined) return null;
  const size = alignUp(rangeSize(source), page);
  const window = { alignment: page, min: 0n, max: 1n << 64n, from: "top" } as const;
  const destination = place({ role: "backup", size, ...window });
  const reason = `the lowest RAM, ${hex(source.start)} to ${hex(source.end)}, is saved here first`;
  return {
    moved: { source, destination },
    segment: {
      role: "backup",
      start: destination,
      size,
      bytes: new Uint8Array(0),
      sha256: null,
      reason,
    },
  };
}

/** ` acpi_rsdp=`: for a kernel that cannot find ACPI by itself, as it gets no EFI. */
function rsdpWord(request: RunRequest, facts: HostFacts, takesEfi: boolean): string {
  const hasEfi = takesEfi && !request.noEfi && (facts.efi?.runtimeMap.length ?? 0) > 0;
  return hasEfi || facts.acpiRsdp === null ? "" : ` acpi_rsdp=${hex(facts.acpiRsdp)}`;
}

const MEMMAP_SIGN: Partial<Record<MemoryType, string>> = {
  ram: "@",
  acpi: "#",
  "acpi-nvs": "#",
  pram: "!",
};

/** ` memmap=exactmap memmap=640K@0K …`, for `--pass-memmap-cmdline`. */
function memmapWords(memory: readonly MemoryRange[]): string {
  const words = memory.flatMap(({ start, end, type }) => {
    const sign = MEMMAP_SIGN[type];
    if (sign === undefined || (type === "ram" && end - start < MEMMAP_MIN)) return [];
    const last = sign === "#" ? alignUp(end, KIB) : end;
    return [` memmap=${last / KIB - start / KIB}K${sign}${start / KIB}K`];
  });
  return [" memmap=exactmap", ...words].join("");
}

/** RAM for the crash kernel is what is reserved and not taken, and the low RAM that is saved. */
function crashMemory(
  facts: HostFacts,
  crash: CrashFacts,
  segments: readonly Segment[],
  moved: MovedMemory | null,
): MemoryRange[] {
  const taken = segments.map(({ start, size }) => ({ start, end: start + size }));
  const free = subtract(normalize(facts.crashRegions), taken);
  const low = moved === null ? [] : [moved.source];
  const ram = [...low, ...free].map((r): MemoryRange => ({ ...r, type: "ram" }));
  const others = crash.memory.filter(({ type }) => type !== "ram" && type !== "uncached");
  return [...ram, ...others].sort((a, b) => (a.start < b.start ? -1 : 1));
}

/** The header's memory: with `--hotplug` as much as the kernel says, which writes a longer one. */
function headerSpace(request: RunRequest, facts: HostFacts, length: bigint): bigint {
  if (!request.hotplug) return length > ELFCOREHDR_MIN ? length : ELFCOREHDR_MIN;
  const size = facts.kexec.crashElfcorehdrSize;
  if (size !== null && size >= length) return size;
  return fail({
    code: "plan.hotplug",
    message:
      "Path /sys/kernel/crash_elfcorehdr_size does not exist, the kernel needs CONFIG_CRASH_HOTPLUG",
    hint: size === null ? undefined : `It says ${size}, and the core header has ${length} bytes.`,
  });
}

/**
 * @param takesEfi whether the kernel can take EFI over from the running one
 * @throws KexecError `facts.crash`, `plan.hotplug`, `plan.no-room`
 */
export function planCrash(
  request: RunRequest,
  facts: HostFacts,
  takesEfi: boolean,
  place: (placement: Placement) => bigint,
): CrashPlan {
  const crash = crashFacts(facts);
  const page = BigInt(facts.pageSize);
  const ram = dumpedRam(crash, facts.crashRegions);
  const backup = placeBackup(ram, place, page);
  const length = elfCoreHeaderSize(crash, ram);
  const size = alignUp(headerSpace(request, facts, BigInt(length)), page);
  const window = { alignment: page, min: 0n, max: 1n << 64n, from: "top" } as const;
  const start = place({ role: "elfcorehdr", size, ...window });
  const moved = backup?.moved ?? null;
  const header: Segment = {
    role: "elfcorehdr",
    start,
    size,
    bytes: elfCoreHeader(crash, ram, moved),
    sha256: null,
    reason: "what the crash kernel makes /proc/vmcore of",
  };
  const segments = [...(backup === null ? [] : [backup.segment]), header];
  const memory = crashMemory(facts, crash, segments, moved);
  const memmap = request.passMemmapCmdline ? memmapWords(memory) : "";
  return {
    segments,
    backup: moved,
    memory: request.passMemmapCmdline ? (facts.memoryMap?.ranges ?? []) : memory,
    commandLine: `${rsdpWord(request, facts, takesEfi)} elfcorehdr=${start / KIB}K${memmap}`,
  };
}

/** A sentence where the region is so small that the kernel will hardly come up. */
export function crashRoomNotes(region: Range, segments: readonly Segment[]): string[] {
  const taken = segments.reduce((sum, { size }) => sum + size, 0n);
  const room = rangeSize(region) - taken;
  if (room >= ROOM_MIN) return [];
  return [
    `only ${humanSize(room)} of the ${humanSize(rangeSize(region))} that are reserved are left ` +
      "for the crash kernel to work with: a larger crashkernel= is needed",
  ];
}
