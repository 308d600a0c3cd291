/**
 * Reads `HostFacts` of the running machine.
 *
 * It must work everywhere: without /sys, in an initramfs, in a container, and without root. So a
 * file that is missing, unreadable or damaged does not stop it: the fact is null or empty, and
 * `notes` has the reason. Planning fails later if it needs that fact.
 *
 * In a dom0 of Xen, Linux's memory map is not the machine's; edge/xen/read-facts.ts replaces it.
 */

import { machine, release, version } from "node:os";
import { AUXV, pageSizeOfAuxv } from "../../facts/auxv.ts";
import { efiRootPointer } from "../../facts/efi.ts";
import {
  LINUX_CRASH_RULES,
  LINUX_PLAN_KINDS,
  LINUX_SEGMENT_RULES,
} from "../../facts/linux-rules.ts";
import { architectureOfMachine } from "../../facts/machine-name.ts";
import { MEMINFO, parseMemTotal } from "../../facts/meminfo.ts";
import { PROC_STATUS, parseCapEff } from "../../facts/proc-status.ts";
import type { Architecture } from "../../model/architecture.ts";
import type { FactNote } from "../../model/fact-note.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import { getrandom as realGetrandom, ioctl as realIoctl } from "../ffi/device-calls.ts";
import { attempt, type PseudoFiles, pseudoFiles } from "../files/read-pseudo-files.ts";
import type { ArchitectureReader, FactsInput, Ioctl } from "./architecture-reader.ts";
import { readCrashFacts } from "./read-crash.ts";
import { readEfi } from "./read-efi.ts";
import { readKexecStateOf } from "./read-kexec-state.ts";
import { readKho } from "./read-kho.ts";
import { readLockdown } from "./read-lockdown.ts";
import {
  crashRegionsOf,
  iomemMap,
  readCrashCma,
  readIomem,
  systemRamOf,
} from "./read-memory-map.ts";
import { x8664Reader } from "./x86-64.ts";

export interface FactsSources {
  /** The directory that stands for `/`. */
  readonly root?: string;
  /** null: do not query the framebuffer. */
  readonly ioctl?: Ioctl | null;
  /** Whether to read the facts for a crash kernel, which takes more time. */
  readonly crash?: boolean;
  /** getrandom(2) with GRND_NONBLOCK: `length` bytes, or null where none are ready. null: make no
   * RNG seed. */
  readonly getrandom?: ((length: number) => Uint8Array | null) | null;
}

/** In bytes. Kernels accept an RNG seed of any length. */
const RNG_SEED_SIZE = 32;

/** The page size of every x86_64 machine, and of most arm64 ones. */
const USUAL_PAGE_SIZE = 4096;

const CMDLINE = "/proc/cmdline";

/** The reader of each architecture. */
const READERS: Readonly<Partial<Record<Architecture, ArchitectureReader>>> = {
  x86_64: x8664Reader,
};

/** The reader for an architecture without its own: it reads what Linux shows on all of them. */
const usualReader: ArchitectureReader = {
  readMemoryMap: iomemMap,
  readKernelMapping({ notes }) {
    const text = "onekexec cannot tell where this architecture's kernel is mapped.";
    notes.push({ source: "kernel text", text });
    return { kernelText: null, pageOffset: 0n };
  },
  readOwnFacts: (_, efi) => ({ x86_64: null, acpiRsdp: efiRootPointer(efi) }),
};

/** A line of /proc/sys/kernel, or the field of uname(2) where the file is missing, such as `arch`
 * before Linux 6.1. */
function utsField(files: PseudoFiles, file: string, fallback: () => string): string {
  const text = attempt([], () => files.optionalText(`/proc/sys/kernel/${file}`));
  return text === null ? fallback() : text.replace(/\n$/, "");
}

function readRngSeed(
  random: NonNullable<FactsSources["getrandom"]>,
  notes: FactNote[],
): Uint8Array | null {
  // getrandom throws where the C library cannot be used. Facts can be read without it.
  const seed = attempt(notes, () => random(RNG_SEED_SIZE));
  if (seed?.length === RNG_SEED_SIZE) return seed;
  const text = "getrandom returned no random bytes for the next kernel's RNG seed.";
  notes.push({ source: "machine", text });
  return null;
}

/** All facts of this machine; takes some milliseconds. `readKexecState` reads less. Does not throw
 * for files that are missing or damaged. */
export function readFacts(sources: FactsSources = {}): HostFacts {
  const { root = "/", ioctl = realIoctl, getrandom = realGetrandom, crash = false } = sources;
  const files = pseudoFiles(root);
  const notes: FactNote[] = [];
  const machineName = utsField(files, "arch", machine);
  const architecture = architectureOfMachine(machineName);
  const reader = (architecture === null ? undefined : READERS[architecture]) ?? usualReader;
  const bootCommandLine = attempt(notes, () => files.text(CMDLINE).replace(/\n$/, ""));
  const resources = readIomem({ files, notes });
  const input: FactsInput = { files, resources, bootCommandLine, ioctl, notes };
  const memoryMap = reader.readMemoryMap(input);
  const efi = readEfi(files, notes);
  return {
    format: 1,
    architecture,
    machine: machineName,
    kernelRelease: utsField(files, "osrelease", release),
    kernelVersion: utsField(files, "version", version),
    pageSize: attempt(notes, () => pageSizeOfAuxv(files.bytes(AUXV))) ?? USUAL_PAGE_SIZE,
    memoryMap,
    systemRam: systemRamOf(input),
    kho: readKho(input),
    memTotal: attempt(notes, () => parseMemTotal(files.text(MEMINFO))),
    crashRegions: crashRegionsOf(input),
    crashCma: readCrashCma(input),
    crash: crash ? readCrashFacts(input, reader) : null,
    bootCommandLine,
    efi,
    ...reader.readOwnFacts(input, efi),
    kexec: readKexecStateOf(files, notes),
    lockdown: readLockdown(files, notes),
    capabilities: attempt(notes, () => parseCapEff(files.text(PROC_STATUS))),
    rngSeed: getrandom === null ? null : readRngSeed(getrandom, notes),
    planKinds: LINUX_PLAN_KINDS,
    segmentRules: LINUX_SEGMENT_RULES,
    crashRules: LINUX_CRASH_RULES,
    xen: null,
    notes,
  };
}
