/**
 * `HostFacts`: everything about the machine that a plan depends on, read once, as a plain value
 * that can be saved as JSON and read again. The facts file of a bug report can serve as a test
 * fixture.
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
  /** The source: `/sys/firmware/memmap`, `/proc/iomem`, or Xen's machine memory map. */
  readonly source: "firmware-memmap" | "iomem" | "xen";
  /** Sorted by start. Ends are one past the last address. */
  readonly ranges: readonly MemoryRange[];
}

/** An entry of /sys/firmware/efi/runtime-map. [uefi §7.2 EFI_MEMORY_DESCRIPTOR] */
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

/** The host's rules for the segments of a plan. Those of Linux and Xen differ. */
export interface SegmentRules {
  /** The most segments of one plan. */
  readonly countMax: number;
  /** Whether all segments together may take at most half of the host's memory. */
  readonly halfOfMemory: boolean;
  /** Addresses that the next kernel needs mapped where the host maps only segments: every one must
   * lie in a segment, if need be in one without bytes. null: the host maps all memory. */
  readonly mapped: Range | null;
  /** RAM that the host does not allocate while it loads a plan, and thus the place for segments:
   * elsewhere the host may overwrite a segment during the load. Empty where the host did not report
   * it; null where all RAM is equally good. */
  readonly guestOwned: readonly Range[] | null;
}

/** The host's rules for crash kernels. Those of Linux and Xen differ. */
export interface CrashRules {
  /** Whether the host updates elfcorehdr on CPU and memory hotplug. */
  readonly hotplug: boolean;
  /** The facts without which no tool can read a dump. */
  readonly needs: readonly ("vmcoreinfo" | "kernel-text")[];
  /** A sentence for the error where no memory is reserved: how to reserve some on this host; null:
   * as on any Linux. */
  readonly reservedWhere: string | null;
}

/** What Xen reports about itself. All addresses are machine addresses. [xen-kexec] */
export interface XenFacts {
  /** As Xen prints it: `4.17.7`. */
  readonly version: string;
  /** XENVER_capabilities: `xen-3.0-x86_64 hvm-3.0-x86_32 …`. */
  readonly capabilities: string;
  /** KEXEC_RANGE_MA_XEN: the hypervisor's code and data; null: Xen does not report it. */
  readonly hypervisor: Range | null;
}

/** The physical and virtual address of the running kernel's text. */
export interface KernelText {
  readonly physical: bigint;
  readonly virtual: bigint;
  /** In bytes. */
  readonly size: bigint;
}

/** The facts with which a crash kernel finds the memory and registers of this kernel. */
export interface CrashFacts {
  /** The RAM, and other memory that a crash kernel must know of, e.g. ACPI tables; sorted. */
  readonly memory: readonly MemoryRange[];
  /** The memory where each CPU saves its registers on a crash, by CPU number. */
  readonly cpuNotes: readonly Range[];
  readonly vmcoreinfo: Range | null;
  /** dom0's vmcoreinfo, where `vmcoreinfo` is Xen's; null: there is none, or it is not known. */
  readonly dom0Vmcoreinfo: Range | null;
  /** null: not known, or the dump needs no header for it, as under Xen. */
  readonly kernelText: KernelText | null;
  /** The virtual address of physical address 0 in the kernel's direct mapping. */
  readonly pageOffset: bigint;
}

/** Kexec handover (KHO): memory that the running kernel keeps for a next kernel loaded by
 * kexec_file_load. [linux Documentation/admin-guide/mm/kho.rst] */
export interface KhoFacts {
  /** The areas from which the next kernel allocates first; null: unknown. Sorted and disjoint. */
  readonly scratch: readonly Range[] | null;
  /** The kept memory that is known, that of `reserve_mem=`. No file lists the other kept pages. */
  readonly kept: readonly Range[];
}

export interface HostFacts {
  /** Version of this structure in JSON. */
  readonly format: 1;
  /** null on a machine that onekexec does not support. */
  readonly architecture: Architecture | null;
  /** uname -m, -r and -v. */
  readonly machine: string;
  readonly kernelRelease: string;
  readonly kernelVersion: string;
  /** In bytes. */
  readonly pageSize: number;
  /** null where no source could be read; `notes` says why. */
  readonly memoryMap: MemoryMap | null;
  /** The memory that the running kernel uses as RAM: the "System RAM" of its /proc/iomem, without
   * ranges inside it that are not free for the next kernel. The memory map has the firmware's RAM,
   * from which `memmap=`, `mem=` and the like may have taken some away. Sorted and disjoint; null
   * where it is unknown, and where the map is Xen's: dom0's addresses are not the machine's. */
  readonly systemRam: readonly Range[] | null;
  /** Kexec handover; null: it is off, or the kernel does not have it. */
  readonly kho: KhoFacts | null;
  /** MemTotal of /proc/meminfo, in bytes: the running kernel's memory; null: unreadable. */
  readonly memTotal: bigint | null;
  /** "Crash kernel" lines of /proc/iomem, or Xen's crash area; empty where nothing is reserved. */
  readonly crashRegions: readonly Range[];
  /** The memory of `crashkernel=SIZE,cma`; sorted and disjoint, empty where nothing is reserved. */
  readonly crashCma: readonly Range[];
  /** null where these facts were not requested: reading them takes long. */
  readonly crash: CrashFacts | null;
  /** /proc/cmdline without its newline. */
  readonly bootCommandLine: string | null;
  readonly efi: EfiFacts | null;
  /** Physical address of the ACPI root pointer; null: not known. */
  readonly acpiRsdp: bigint | null;
  /** What only Linux on x86_64 reports; null on another machine. */
  readonly x86_64: X86Facts | null;
  readonly kexec: KexecState;
  /** The selected mode in /sys/kernel/security/lockdown; null where the file is missing. */
  readonly lockdown: "none" | "integrity" | "confidentiality" | null;
  /** CapEff of /proc/self/status, a bit mask; null where it cannot be read. */
  readonly capabilities: bigint | null;
  /** 32 random bytes for the next kernel's RNG seed; null where the kernel's random generator was
   * not ready. Facts files do not have them, so that a plan with `--facts` has no seed. */
  readonly rngSeed: Uint8Array | null;
  /** The kinds of plan that the host accepts, best first. */
  readonly planKinds: readonly PlanKind[];
  readonly segmentRules: SegmentRules;
  readonly crashRules: CrashRules;
  /** What Xen reports, where Xen is the host that loads plans; else null. */
  readonly xen: XenFacts | null;
  /** Notes on what could not be read as expected, in the order of reading, for `-d`. */
  readonly notes: readonly FactNote[];
}

/** The bit of CAP_SYS_BOOT in `HostFacts.capabilities`. [linux include/uapi/linux/capability.h] */
export const CAP_SYS_BOOT = 1n << 22n;
