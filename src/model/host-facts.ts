/**
 * `HostFacts`: all that a plan needs to know of the machine, read once, as a plain value that goes
 * to JSON and back. A bug report with the facts file is a test fixture the same day.
 *
 * Texts are byte strings, addresses `bigint`, byte blobs `Uint8Array`; in JSON these are text with
 * `\u00XX` escapes, "0x…" text, and base64 text. `facts/facts-file.ts` does the JSON.
 */

import type { Range } from "../core/range.ts";
import type { Architecture } from "./architecture.ts";
import type { FactNote } from "./fact-note.ts";
import type { PlanKind } from "./load-plan.ts";
import type { MemoryRange } from "./memory.ts";
import type { X86Facts } from "./x86-64.ts";

export interface MemoryMap {
  /** Where it was read: `/sys/firmware/memmap`, `/proc/iomem`, or Xen's machine memory map. */
  readonly source: "firmware-memmap" | "iomem" | "xen";
  /** Sorted by start. Ends are one past the last address. */
  readonly ranges: readonly MemoryRange[];
}

/** A line of /sys/firmware/efi/runtime-map. [uefi §7.2 EFI_MEMORY_DESCRIPTOR] */
export interface EfiMemoryDescriptor {
  readonly type: number;
  readonly physAddr: bigint;
  readonly virtAddr: bigint;
  readonly numPages: bigint;
  readonly attribute: bigint;
}

export interface EfiFacts {
  /** /sys/firmware/efi/systab: NAME=0xADDRESS lines in the file's order, e.g. ACPI20, SMBIOS. */
  readonly systab: readonly { readonly name: string; readonly address: bigint }[];
  readonly fwVendor: bigint | null;
  readonly runtime: bigint | null;
  readonly configTable: bigint | null;
  readonly runtimeMap: readonly EfiMemoryDescriptor[];
}

/** kexec's own sysfs and sysctl files; null where the file is missing or unreadable. */
export interface KexecState {
  /** /sys/kernel/kexec_loaded */
  readonly loaded: boolean | null;
  /** /sys/kernel/kexec_crash_loaded */
  readonly crashLoaded: boolean | null;
  /** /sys/kernel/kexec_crash_size, in bytes. */
  readonly crashSize: bigint | null;
  /** /proc/sys/kernel/kexec_load_disabled */
  readonly loadDisabled: boolean | null;
  /** /sys/kernel/crash_elfcorehdr_size, in bytes. */
  readonly crashElfcorehdrSize: bigint | null;
}

/** What the host that takes a plan's segments demands of them. Linux and Xen differ here. */
export interface SegmentRules {
  /** Most segments of one plan. */
  readonly countMax: number;
  /** Whether all segments together may take at most half of the host's memory. */
  readonly halfOfMemory: boolean;
  /** Addresses that the next kernel must find mapped, so that all of them belong to some segment,
   * be it one without bytes; null where the host maps all memory for it. */
  readonly mapped: Range | null;
  /** RAM that the host does not hand out while it takes a plan, and so the place for segments: what
   * a segment takes elsewhere may be needed meanwhile. Empty where the host did not say; null where
   * all RAM is as good. */
  readonly guestOwned: readonly Range[] | null;
}

/** What the host that keeps a crash kernel does and demands. Linux and Xen differ here too. */
export interface CrashRules {
  /** Whether it updates elfcorehdr on CPU and memory hotplug. */
  readonly hotplug: boolean;
  /** What a dump is worth nothing without. */
  readonly needs: readonly ("vmcoreinfo" | "kernel-text")[];
  /** Where its memory is reserved, a sentence for those who reserved none; null: as ever. */
  readonly reservedWhere: string | null;
}

/** What Xen says of itself. All addresses are machine addresses. [xen-kexec] */
export interface XenFacts {
  /** As Xen prints it: `4.17.7`. */
  readonly version: string;
  /** XENVER_capabilities: `xen-3.0-x86_64 hvm-3.0-x86_32 …`. */
  readonly capabilities: string;
  /** KEXEC_RANGE_MA_XEN: the hypervisor's own code and data; null where it does not say. */
  readonly hypervisor: Range | null;
}

/** Where the text of the running kernel is. */
export interface KernelText {
  readonly physical: bigint;
  readonly virtual: bigint;
  /** In bytes. */
  readonly size: bigint;
}

/** What is passed to a crash kernel so that it finds what is left of this one. */
export interface CrashFacts {
  /** The memory that is in use, and other that a crash kernel must know of; sorted. */
  readonly memory: readonly MemoryRange[];
  /** Where each CPU leaves its state, by the CPUs' numbers. */
  readonly cpuNotes: readonly Range[];
  readonly vmcoreinfo: Range | null;
  /** dom0's, where `vmcoreinfo` is Xen's; null: there is none, or it is not known. */
  readonly dom0Vmcoreinfo: Range | null;
  /** null where the memory's own mapping has it. */
  readonly kernelText: KernelText | null;
  /** The virtual address of physical address 0. */
  readonly pageOffset: bigint;
}

/** Kexec handover (KHO), where it is on: memory that the running kernel keeps for the next one, and
 * hands over by kexec_file_load only. [linux Documentation/admin-guide/mm/kho.rst] */
export interface KhoFacts {
  /** Where the next kernel allocates first; null where debugfs does not say. Sorted, disjoint. */
  readonly scratch: readonly Range[] | null;
  /** What is known to be kept: that of `reserve_mem=`. Which other pages are kept no file says. */
  readonly kept: readonly Range[];
}

export interface HostFacts {
  /** Version of this structure in JSON. */
  readonly format: 1;
  /** null on a machine that onekexec cannot plan for. */
  readonly architecture: Architecture | null;
  /** uname -m, -r and -v. */
  readonly machine: string;
  readonly kernelRelease: string;
  readonly kernelVersion: string;
  /** In bytes. */
  readonly pageSize: number;
  /** null where no source could be read; `notes` says why. */
  readonly memoryMap: MemoryMap | null;
  /** What the running kernel itself uses as RAM: the "System RAM" of its /proc/iomem without what
   * lies in it that is not free for the next kernel. The memory map has the firmware's RAM, and
   * `memmap=`, `mem=` and the like may have taken some of it away. Sorted and disjoint; null where
   * it is not known, and where the map is Xen's: dom0's addresses are not the machine's. */
  readonly systemRam: readonly Range[] | null;
  /** null: it is off, or none of this host's. */
  readonly kho: KhoFacts | null;
  /** /proc/meminfo's MemTotal, in bytes: what the running kernel has; null where it is
   * unreadable. */
  readonly memTotal: bigint | null;
  /** "Crash kernel" lines of /proc/iomem, or Xen's crash area; empty where nothing is reserved. */
  readonly crashRegions: readonly Range[];
  /** What `crashkernel=SIZE,cma` reserved besides; sorted and disjoint, empty where nothing is. */
  readonly crashCma: readonly Range[];
  /** null where it was not asked for: reading it takes its time. */
  readonly crash: CrashFacts | null;
  /** /proc/cmdline without its newline. */
  readonly bootCommandLine: string | null;
  readonly efi: EfiFacts | null;
  /** Physical address of the ACPI root pointer; null: not known. */
  readonly acpiRsdp: bigint | null;
  /** What only Linux on x86_64 says; null on another machine. */
  readonly x86_64: X86Facts | null;
  readonly kexec: KexecState;
  /** /sys/kernel/security/lockdown's choice; null where the file is missing. */
  readonly lockdown: "none" | "integrity" | "confidentiality" | null;
  /** CapEff of /proc/self/status, a bit mask; null where it cannot be read. */
  readonly capabilities: bigint | null;
  /** 32 random bytes for the next kernel's RNG seed; null where the kernel had none ready. They are
   * not written to facts files: a plan with `--facts` has none. */
  readonly rngSeed: Uint8Array | null;
  /** What kinds of plan the host takes, best first. */
  readonly planKinds: readonly PlanKind[];
  readonly segmentRules: SegmentRules;
  readonly crashRules: CrashRules;
  /** What Xen says, where it is Xen that takes plans; else null. */
  readonly xen: XenFacts | null;
  /** What could not be read as expected, in the order of reading, for `-d`. */
  readonly notes: readonly FactNote[];
}

/** CAP_SYS_BOOT's bit in `HostFacts.capabilities`. [linux include/uapi/linux/capability.h] */
export const CAP_SYS_BOOT = 1n << 22n;
