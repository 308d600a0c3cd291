/**
 * Reads `HostFacts` of the machine that this runs on.
 *
 * It must work anywhere: without /sys, in an initramfs, in a container, not as root. So nothing
 * that is missing, refused or damaged stops it: the fact is null or empty, and `notes` has the
 * reason. What a plan cannot do without, the plan complains of.
 *
 * It knows nothing of Xen, whose dom0 shows a memory map that is not the machine's: read-xen.ts.
 */

import { machine, release, version } from "node:os";
import { AUXV, pageSizeOfAuxv } from "../../facts/auxv.ts";
import { efiRootPointer } from "../../facts/efi.ts";
import { LOCKDOWN, parseLockdown } from "../../facts/lockdown.ts";
import { MEMINFO, parseMemTotal } from "../../facts/meminfo.ts";
import { PROC_STATUS, parseCapEff } from "../../facts/proc-status.ts";
import type { Architecture } from "../../model/architecture.ts";
import {
  type HostFacts,
  LINUX_CRASH_RULES,
  LINUX_PLAN_KINDS,
  LINUX_SEGMENT_RULES,
} from "../../model/host-facts.ts";
import { getrandom as realGetrandom, ioctl as realIoctl } from "../ffi/device-calls.ts";
import { attempt, type PseudoFiles, pseudoFiles } from "../files/read-pseudo-files.ts";
import { readCrashFacts } from "./read-crash.ts";
import { readEfi } from "./read-efi.ts";
import { type Ioctl, readFramebuffer } from "./read-framebuffer.ts";
import { readKexecStateOf } from "./read-kexec-state.ts";
import { readMemoryFacts } from "./read-memory-map.ts";

import { readX8664Facts } from "./x86-64.ts";

export interface FactsSources {
  /** The directory that stands for `/`. */
  readonly root?: string;
  /** null: the framebuffer is not asked. */
  readonly ioctl?: Ioctl | null;
  /** Whether to read what a crash kernel must be told, which takes its time. */
  readonly crash?: boolean;
  /** getrandom(2) with GRND_NONBLOCK: that many bytes, or null where none are ready. null: no seed
   * is made. */
  readonly getrandom?: ((length: number) => Uint8Array | null) | null;
}

/** In bytes. [linux arch/x86/include/uapi/asm/setup_data.h SETUP_RNG_SEED] takes any length. */
const RNG_SEED_SIZE = 32;

/** The page size of every x86_64 machine, and of most arm64 ones. */
const USUAL_PAGE_SIZE = 4096;

const CMDLINE = "/proc/cmdline";

/** By what `uname -m` says. */
const ARCHITECTURE_OF: ReadonlyMap<string, Architecture> = new Map([
  ["x86_64", "x86_64"],
  ["aarch64", "arm64"],
]);

/** What reads the facts of one architecture alone: one file each, one line here. */
const READERS: Partial<Record<Architecture, typeof readX8664Facts>> = { x86_64: readX8664Facts };

const noArchFacts: typeof readX8664Facts = (_files, efi) => ({
  ...{ bootParams: null, edd: [], display: null },
  acpiRsdp: efiRootPointer(efi),
});

/** A line of /proc/sys/kernel, or what libc says where it is missing (`arch` is new in 6.1). */
function utsField(files: PseudoFiles, file: string, fallback: () => string): string {
  const text = attempt([], () => files.optionalText(`/proc/sys/kernel/${file}`));
  return text === null ? fallback() : text.replace(/\n$/, "");
}

function readRngSeed(
  random: NonNullable<FactsSources["getrandom"]>,
  notes: string[],
): Uint8Array | null {
  // The C library may be unusable, which matters only to those who load something.
  const seed = attempt(notes, () => random(RNG_SEED_SIZE));
  if (seed?.length === RNG_SEED_SIZE) return seed;
  notes.push("The kernel gave no random bytes for the next kernel's seed.");
  return null;
}

/** All facts of this machine. Takes some milliseconds; see readKexecState for less. Never throws
 * for what the machine shows. */
export function readFacts(sources: FactsSources = {}): HostFacts {
  const { root = "/", ioctl = realIoctl, getrandom = realGetrandom, crash = false } = sources;
  const files = pseudoFiles(root);
  const notes: string[] = [];
  const machineName = utsField(files, "arch", machine);
  const architecture = ARCHITECTURE_OF.get(machineName) ?? null;
  const bootCommandLine = attempt(notes, () => files.text(CMDLINE).replace(/\n$/, ""));
  const memory = readMemoryFacts(files, architecture, bootCommandLine, notes);
  const efi = readEfi(files, notes);
  const resources = memory.resources ?? [];
  const readOwn = (architecture === null ? undefined : READERS[architecture]) ?? noArchFacts;
  return {
    format: 1,
    architecture,
    machine: machineName,
    kernelRelease: utsField(files, "osrelease", release),
    kernelVersion: utsField(files, "version", version),
    pageSize: attempt(notes, () => pageSizeOfAuxv(files.bytes(AUXV))) ?? USUAL_PAGE_SIZE,
    memoryMap: memory.memoryMap,
    memTotal: attempt(notes, () => parseMemTotal(files.text(MEMINFO))),
    crashRegions: memory.crashRegions,
    crash: crash ? readCrashFacts(files, resources, notes) : null,
    bootCommandLine,
    efi,
    ...readOwn(files, efi, resources, notes),
    framebuffer: ioctl === null ? null : readFramebuffer(files, ioctl, notes),
    kexec: readKexecStateOf(files, notes),
    lockdown: attempt(notes, () => parseLockdown(files.text(LOCKDOWN))),
    capabilities: attempt(notes, () => parseCapEff(files.text(PROC_STATUS))),
    rngSeed: getrandom === null ? null : readRngSeed(getrandom, notes),
    planKinds: LINUX_PLAN_KINDS,
    segmentRules: LINUX_SEGMENT_RULES,
    crashRules: LINUX_CRASH_RULES,
    xen: null,
    notes,
  };
}
