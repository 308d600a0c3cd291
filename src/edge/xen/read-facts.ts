/**
 * What Xen knows of the machine: in a PV dom0 Linux's own files tell of the memory that Xen gave
 * dom0, where what is loaded goes by machine addresses.
 */

import { ADDRESS_END, hex } from "../../core/address.ts";
import { ExitStatus, fail } from "../../core/error.ts";
import { intersect, isEmpty, normalize, type Range, rangeOf, totalSize } from "../../core/range.ts";
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

/** Xen takes no files. */
export const XEN_PLAN_KINDS: readonly PlanKind[] = ["segments"];

/** Xen's `nr_segments >= KEXEC_SEGMENT_MAX` is refused, and the constant is 16.
 * [xen xen/common/kexec.c kexec_load] */
const XEN_SEGMENTS_MAX = 15;
/** dom0's kernel is mapped where only Xen knows, and not every Xen tells its own vmcoreinfo. */
const XEN_CRASH_RULES: CrashRules = {
  hotplug: false,
  needs: [],
  reservedWhere: "crashkernel= belongs on Xen's command line: it is Xen that reserves the memory.",
};
/** What kexec-tools has Xen map, and the older interface of Xen mapped by itself. */
const LOWEST_MIB: Range = { start: 0n, end: 1n << 20n };

/** One extent of the table is 2 MiB: 512 pages, entries of 1 GiB of machine memory. */
const EXTENT_PAGES = 512;
const ENTRIES_PER_EXTENT = (EXTENT_PAGES * 4096) / MACHPHYS_ENTRY_SIZE;
const EXTENT_MEMORY = BigInt(ENTRIES_PER_EXTENT) * 4096n;
/** 16 TiB: the most that Xen supports on x86. */
const EXTENTS_MAX = 16384;
/** Shorter runs of guest memory are of no use: 64 KiB. */
const RUN_PAGES_MIN = 16;
/** Enough guest memory to choose from, so that the rest of a large machine is not looked at. */
const ENOUGH = 16n << 30n;
const FOUR_GIB = 4n << 30n;

/** A range that Xen reported; null where it is empty, and null and a note where it has an address
 * that no machine has. */
function rangeInMemory(found: XenRange, name: string, notes: FactNote[]): Range | null {
  const { start, size } = found;
  if (start + size > ADDRESS_END) {
    const where = `${hex(size)} bytes at ${hex(start)}`;
    notes.push({ source: "Xen", text: `Xen reports ${name} beyond 64 bits, ignored: ${where}.` });
    return null;
  }
  return size === 0n ? null : rangeOf(found);
}

/** A range of Xen's, or null; of size 0 it says that there is none. */
function rangeOfXen(calls: XenCalls, range: KexecRange, notes: FactNote[]): Range | null {
  const found = calls.getRange(range, 0);
  if (typeof found === "number") {
    notes.push({
      source: "Xen",
      text: `Xen does not report its range ${range}: ${strerror(-found)}.`,
    });
    return null;
  }
  return rangeInMemory(found, `its range ${range}`, notes);
}

/** Notes of each CPU until Xen says that there are no more. Without `crashkernel=` none. */
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

/** The machine frames at which each extent of the table begins; or minus the error number. */
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

/** In which order extents are looked at: the lowest 4 GiB, where what a kernel wants low must lie,
 * then from the top. */
function lookingOrder(count: number): number[] {
  const low = Number(FOUR_GIB / EXTENT_MEMORY);
  const numbers = Array.from({ length: count }, (_, i) => i);
  return [...numbers.slice(0, low), ...numbers.slice(low).reverse()];
}

/** Memory that belongs to guests; or minus the error number. */
function readGuestMemory(privcmd: Privcmd, ram: readonly Range[]): Range[] | number {
  const starts = extents(privcmd);
  if (typeof starts === "number") return starts;
  const found: Range[] = [];
  let total = 0n;
  for (const index of lookingOrder(starts.length)) {
    const start = starts[index] ?? 0n;
    const memory = { start: BigInt(index) * EXTENT_MEMORY, end: BigInt(index + 1) * EXTENT_MEMORY };
    const inside = ram.map((r) => intersect(r, memory)).filter((r) => !isEmpty(r));
    if (start === 0n || inside.length === 0) continue;
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

/** Where Xen does not show it, a note says so, and no memory is better than other. */
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
        ? "Xen allows this to dom0 only, and its policy may not."
        : undefined,
    exitStatus: ExitStatus.failed,
  });
}

function textOr(notes: FactNote[], what: string, answer: string | number): string {
  if (typeof answer === "string") return answer;
  notes.push({ source: "Xen", text: `Xen does not report its ${what}: ${strerror(-answer)}.` });
  return "";
}

/** Of the machine's CPUs and the hypervisor: dom0's kernel is mapped nowhere that a dump knows. */
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
    // A PV dom0 tells its machine address. [linux arch/x86/xen/mmu_pv.c paddr_vmcoreinfo_note]
    dom0Vmcoreinfo: linux.vmcoreinfo,
    kernelText: null,
    pageOffset: USUAL_PAGE_OFFSET,
  };
}

/**
 * The facts of the machine, from those that Linux shows in dom0.
 * @param open the device through which Xen shows who has which memory
 * @throws KexecError `xen.memory-map`; what else is not told is null or empty, and a note
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
    // What dom0 has says nothing of what Xen has.
    halfOfMemory: false,
    mapped: LOWEST_MIB,
    guestOwned: guestOwnedMemory(ram, notes, open),
  };
  return {
    ...linux,
    architecture: architectureOfCapabilities(xen.capabilities) ?? linux.architecture,
    memoryMap: { source: "xen", ranges: withoutRealModeIvt(ranges) },
    crashRegions: crash === null ? [] : [crash],
    crash: linux.crash === null ? null : readXenCrash(calls, ranges, linux.crash, notes),
    planKinds: XEN_PLAN_KINDS,
    segmentRules,
    crashRules: XEN_CRASH_RULES,
    xen,
    notes: [...linux.notes, ...notes],
  };
}
