/**
 * Reads the machine's facts from Xen. Segments are loaded to machine addresses, and in a PV dom0
 * Linux's own files describe only the memory that Xen has given to dom0.
 */

import { ADDRESS_END, hex } from "../../core/address.ts";
import { ExitStatus, fail } from "../../core/error.ts";
import { normalize, overlapping, type Range, rangeOf, totalSize } from "../../core/range.ts";
import { withoutRealModeIvt } from "../../facts/firmware-memmap.ts";
import { USUAL_PAGE_OFFSET } from "../../facts/kernel-text.ts";
import type { FactNote } from "../../model/fact-note.ts";
import type {
  CrashFacts,
  CrashRules,
  HostFacts,
  SegmentRules,
  XenFacts,
} from "../../model/host-facts.ts";
import type { PlanKind } from "../../model/load-plan.ts";
import type { MemoryRange } from "../../model/memory.ts";
import { Errno } from "../ffi/errno.ts";
import { strerror } from "../ffi/libc.ts";
import type { XenCalls, XenRange } from "./calls.ts";
import { architectureOfCapabilities } from "./capabilities.ts";
import { guestMemory, MACHPHYS_ENTRY_SIZE } from "./machine-to-phys.ts";
import { xenMemoryMap } from "./memory-map.ts";
import { openPrivcmd, type Privcmd, withMemory } from "./privcmd.ts";
import { DOMID_XEN, Hypercall, KexecRange, MemoryCommand, XenMachphysMfnList } from "./structs.ts";

/** Xen has no equivalent of kexec_file_load. */
export const XEN_PLAN_KINDS: readonly PlanKind[] = ["segments"];

/** Xen rejects a load with `nr_segments >= KEXEC_SEGMENT_MAX`, which is 16.
 * [xen xen/common/kexec.c kexec_load] */
const XEN_SEGMENTS_MAX = 15;
/** A dump under Xen needs none of the facts that Linux requires: dom0's kernel has no fixed mapping
 * in machine memory, and some versions of Xen do not report their own vmcoreinfo. */
const XEN_CRASH_RULES: CrashRules = {
  hotplug: false,
  needs: [],
  reservedWhere: "crashkernel= belongs on Xen's command line: it is Xen that reserves the memory.",
};
/** The lowest MiB. kexec-tools lets Xen map it for the next kernel; Xen's older kexec interface
 * always mapped it. [kexec-tools] */
const LOWEST_MIB: Range = { start: 0n, end: 1n << 20n };

/** One extent of the table is 2 MiB: 512 pages, whose entries describe 1 GiB of machine memory. */
const EXTENT_PAGES = 512;
const ENTRIES_PER_EXTENT = (EXTENT_PAGES * 4096) / MACHPHYS_ENTRY_SIZE;
const EXTENT_MEMORY = BigInt(ENTRIES_PER_EXTENT) * 4096n;
/** Extents for 16 TiB, the most memory that Xen supports on x86. */
const EXTENTS_MAX = 16384;
/** Ranges of guest memory with fewer pages, that is below 64 KiB, are left out. */
const RUN_PAGES_MIN = 16;
/** Bytes of guest memory after which the rest of a large machine is not searched: 16 GiB. */
const ENOUGH = 16n << 30n;
const FOUR_GIB = 4n << 30n;

/** As Xen's header names the range: `KEXEC_RANGE_MA_CRASH`. */
function nameOfRange(range: KexecRange): string {
  return Object.entries(KexecRange).find(([, number]) => number === range)?.[0] ?? `${range}`;
}

/** A range that Xen reported; null where its size is 0, which means that there is none, and null
 * and a note where it ends beyond 64 bits. */
function rangeInMemory(found: XenRange, name: string, notes: FactNote[]): Range | null {
  const { start, size } = found;
  if (start + size > ADDRESS_END) {
    const where = `${hex(size)} bytes at ${hex(start)}`;
    notes.push({ source: "Xen", text: `Xen reports ${name} beyond 64 bits, ignored: ${where}.` });
    return null;
  }
  return size === 0n ? null : rangeOf(found);
}

/** One of Xen's ranges of machine addresses; null and a note where Xen reports an error, else as
 * `rangeInMemory`. */
function rangeOfXen(calls: XenCalls, range: KexecRange, notes: FactNote[]): Range | null {
  const found = calls.getRange(range, 0);
  if (typeof found === "number") {
    notes.push({
      source: "Xen",
      text: `Xen does not report ${nameOfRange(range)}: ${strerror(-found)}.`,
    });
    return null;
  }
  return rangeInMemory(found, nameOfRange(range), notes);
}

/** Where Xen saves the notes of each CPU; empty if Xen was booted without crashkernel=. It asks for
 * CPU after CPU until Xen reports an error, which means that there is no such CPU. */
function cpuNotes(calls: XenCalls, factNotes: FactNote[]): Range[] {
  const notes: Range[] = [];
  for (let cpu = 0; cpu < 8192; cpu += 1) {
    const found = calls.getRange(KexecRange.KEXEC_RANGE_MA_CPU, cpu);
    if (typeof found === "number") break;
    const range = rangeInMemory(found, `the notes of CPU ${cpu}`, factNotes);
    if (range !== null) notes.push(range);
  }
  return notes;
}

/** The machine frame number where each extent of Xen's table begins; or minus the error number. */
function extents(privcmd: Privcmd): bigint[] | number {
  return withMemory(privcmd, EXTENTS_MAX * 8, (list) =>
    withMemory(privcmd, XenMachphysMfnList.size, ({ address, bytes }) => {
      const extent_start = list.address;
      XenMachphysMfnList.write(bytes, { max_extents: EXTENTS_MAX, extent_start });
      const command = BigInt(MemoryCommand.XENMEM_machphys_mfn_list);
      const status = privcmd.hypercall(Hypercall.memory_op, [command, address]);
      if (status < 0) return status;
      // What is beyond the room that was given is not there.
      const nr_extents = Math.min(XenMachphysMfnList.read(bytes).nr_extents, EXTENTS_MAX);
      const view = new DataView(list.bytes.buffer, list.bytes.byteOffset, nr_extents * 8);
      return Array.from({ length: nr_extents }, (_, i) => view.getBigUint64(i * 8, true));
    }),
  );
}

/** The order in which extents are searched: the lowest 4 GiB first, because some segments must lie
 * there, then from the top of memory down. */
function lookingOrder(count: number): number[] {
  const low = Number(FOUR_GIB / EXTENT_MEMORY);
  const numbers = Array.from({ length: count }, (_, i) => i);
  return [...numbers.slice(0, low), ...numbers.slice(low).reverse()];
}

/** The ranges that belong to guests, in the parts of memory that have `ram`, a canonical set; the
 * search ends when it has found 16 GiB. Or minus the error number. */
function readGuestMemory(privcmd: Privcmd, ram: readonly Range[]): Range[] | number {
  const starts = extents(privcmd);
  if (typeof starts === "number") return starts;
  const found: Range[] = [];
  let total = 0n;
  for (const index of lookingOrder(starts.length)) {
    const start = starts[index] ?? 0n;
    const memory = { start: BigInt(index) * EXTENT_MEMORY, end: BigInt(index + 1) * EXTENT_MEMORY };
    if (start === 0n || overlapping(ram, memory).length === 0) continue;
    if (total >= ENOUGH) break;
    const frames = Array.from({ length: EXTENT_PAGES }, (_, i) => start + BigInt(i));
    const table = privcmd.readFrames(DOMID_XEN, frames);
    if (typeof table === "number") return table;
    const runs = guestMemory(table, BigInt(index) * BigInt(ENTRIES_PER_EXTENT), RUN_PAGES_MIN);
    found.push(...runs);
    total += totalSize(runs);
  }
  return normalize(found);
}

/** The memory that belongs to guests; empty and a note where Xen does not show it. */
function guestOwnedMemory(
  ram: readonly Range[],
  notes: FactNote[],
  open: typeof openPrivcmd,
): readonly Range[] {
  const privcmd = open();
  if (!("hypercall" in privcmd)) {
    const why = `${privcmd.path}: ${strerror(privcmd.errno)}`;
    notes.push({ source: "Xen", text: `Which memory belongs to guests is not known: ${why}.` });
    return [];
  }
  try {
    const found = readGuestMemory(privcmd, ram);
    if (typeof found !== "number") return found;
    notes.push({
      source: "Xen",
      text: `Xen does not show which memory belongs to guests: ${strerror(-found)}.`,
    });
    return [];
  } finally {
    privcmd.close();
  }
}

function readMemoryMap(calls: XenCalls): MemoryRange[] {
  const entries = calls.machineMemoryMap();
  if (typeof entries !== "number") return xenMemoryMap(entries);
  return fail({
    code: "xen.memory-map",
    message:
      `get_memory_ranges_xen: xc_get_machine_memory_map: ${strerror(-entries)}\n` +
      "Could not get memory layout",
    hint:
      entries === -Errno.EPERM
        ? "Xen allows this call to dom0 only, and an XSM policy may forbid it there."
        : undefined,
    exitStatus: ExitStatus.failed,
  });
}

function textOr(notes: FactNote[], what: string, answer: string | number): string {
  if (typeof answer === "string") return answer;
  notes.push({ source: "Xen", text: `Xen does not report its ${what}: ${strerror(-answer)}.` });
  return "";
}

/** The facts for a crash kernel: memory, CPUs and vmcoreinfo are the machine's and the
 * hypervisor's. dom0's kernel text is null, because it has no fixed mapping in machine memory. */
function readXenCrash(
  calls: XenCalls,
  memory: readonly MemoryRange[],
  linux: CrashFacts,
  notes: FactNote[],
): CrashFacts {
  return {
    memory,
    cpuNotes: cpuNotes(calls, notes),
    vmcoreinfo: rangeOfXen(calls, KexecRange.KEXEC_RANGE_MA_VMCOREINFO, notes),
    // A PV dom0 reports the machine address. [linux arch/x86/xen/mmu_pv.c paddr_vmcoreinfo_note]
    dom0Vmcoreinfo: linux.vmcoreinfo,
    kernelText: null,
    pageOffset: USUAL_PAGE_OFFSET,
  };
}

/**
 * The facts of the machine: those of Linux in dom0, with Xen's in place of what Linux cannot know.
 * A fact that Xen does not report is null or empty, and a note has the reason.
 * @param open opens the privcmd device, to read which memory belongs to guests
 * @throws KexecError `xen.memory-map` where Xen does not report the memory map
 */
export function readXenFacts(
  calls: XenCalls,
  linux: HostFacts,
  open: typeof openPrivcmd = openPrivcmd,
): HostFacts {
  const notes: FactNote[] = [];
  const ranges = readMemoryMap(calls);
  const crash = rangeOfXen(calls, KexecRange.KEXEC_RANGE_MA_CRASH, notes);
  const xen: XenFacts = {
    version: textOr(notes, "version", calls.version()),
    capabilities: textOr(notes, "capabilities", calls.capabilities()),
    hypervisor: rangeOfXen(calls, KexecRange.KEXEC_RANGE_MA_XEN, notes),
  };
  const ram = normalize(ranges.filter(({ type }) => type === "ram"));
  const segmentRules: SegmentRules = {
    countMax: XEN_SEGMENTS_MAX,
    // Linux's limit of half of memory does not apply: Xen, not dom0, stores the image.
    halfOfMemory: false,
    mapped: LOWEST_MIB,
    guestOwned: guestOwnedMemory(ram, notes, open),
  };
  return {
    ...linux,
    architecture: architectureOfCapabilities(xen.capabilities) ?? linux.architecture,
    // It is Xen's own map, without what Xen's command line removes. What dom0 calls System RAM,
    // and its memmap=, are of the memory that Xen gave dom0, by other addresses.
    memoryMap: { source: "xen", ranges: withoutRealModeIvt(ranges) },
    systemRam: null,
    // So is what dom0 keeps for the next kernel, and Xen hands nothing of it over.
    kho: null,
    crashRegions: crash === null ? [] : [crash],
    crashCma: [],
    crash: linux.crash === null ? null : readXenCrash(calls, ranges, linux.crash, notes),
    planKinds: XEN_PLAN_KINDS,
    segmentRules,
    crashRules: XEN_CRASH_RULES,
    xen,
    notes: [...linux.notes, ...notes],
  };
}
