/**
 * The findings of `--doctor`: what works on a machine, what does not, and what to do about it, from
 * the facts and the host's answers. Pure. `Arch.findings` has those of one architecture.
 */

import { findArch } from "../arch/index.ts";
import { hex, humanSize } from "../core/address.ts";
import { largest, rangeSize, totalSize } from "../core/range.ts";
import { IOMEM } from "../facts/iomem.ts";
import { kernelParameterValue } from "../facts/kernel-parameter.ts";
import { LOCKDOWN, NO_SECURITYFS } from "../facts/lockdown.ts";
import { PROC_STATUS } from "../facts/proc-status.ts";
import type { HostProbe } from "../model/backend.ts";
import { type FactNote, isAbsent, isOf, noteSentence } from "../model/fact-note.ts";
import { type ArchFindings, type Finding, finding } from "../model/finding.ts";
import { CAP_SYS_BOOT, type HostFacts } from "../model/host-facts.ts";
import { findCrashRegion } from "./crash/crash-region.ts";
import { memoryMapNotes } from "./memory-map-notes.ts";
import { MEMORY_MAP_SOURCE } from "./memory-picture.ts";
import { freeRam, freeRamNotes } from "./purpose/usable-memory.ts";

export interface Diagnosis {
  /** Whether some way of loading a kernel can work. */
  readonly canLoad: boolean;
  /** Whether it accepts, or may accept, signed kernels only: the kernel is locked down. */
  readonly signedOnly: boolean;
  readonly findings: readonly Finding[];
}

/** The host that was selected and what it answered, or why none could be selected. */
export type ExaminedHost =
  | {
      readonly name: string;
      readonly evidence: readonly string[];
      readonly probes: readonly HostProbe[];
      /** null: the host does not report it. */
      readonly loaded: boolean | null;
      readonly crashLoaded: boolean | null;
    }
  | { readonly refusal: string; readonly hint: string };

/** In bytes: kernels of Debian and Fedora with their initrds rarely boot in less. */
const CRASH_REGION_USUAL = 160n << 20n;

function hostFindings(host: ExaminedHost): Finding[] {
  if ("refusal" in host) return [finding("host", "no", host.refusal, host.hint)];
  const why = host.evidence.filter((line) => line !== "").join("; ");
  return [
    finding("host", "ok", `kexec calls go to ${host.name} (${why})`),
    ...host.probes.map(({ call, works, why: reason, hint }) =>
      finding(
        call,
        works ? "ok" : "no",
        works ? "can be used" : (reason ?? "is refused"),
        hint ?? "",
      ),
    ),
  ];
}

/** Why a fact is not known: what was noted of its file. */
function notKnown({ notes }: HostFacts, ...files: readonly FactNote["source"][]): string {
  const note = notes.find((one) => isOf(one, ...files));
  return note === undefined ? "not known" : `not known: ${noteSentence(note).replace(/\.$/, "")}`;
}

function privilege(facts: HostFacts): Finding {
  const { capabilities } = facts;
  if (capabilities === null) return finding("privilege", "note", notKnown(facts, PROC_STATUS));
  return (capabilities & CAP_SYS_BOOT) !== 0n
    ? finding("privilege", "ok", "this process has CAP_SYS_BOOT")
    : finding("privilege", "no", "this process lacks CAP_SYS_BOOT", "Run kexec as root.");
}

const LOAD_SIGNED = "Load with -s (or -a, the default), and a kernel that is signed.";

/** By its file, else by the kernel's command line, which it may have obeyed. */
function lockdownParameter({ lockdown: mode, bootCommandLine }: HostFacts): string | null {
  const asked = mode === null ? kernelParameterValue(bootCommandLine ?? "", "lockdown") : null;
  return asked === "none" ? null : asked;
}

function lockdown(facts: HostFacts): Finding {
  const { lockdown: mode, notes } = facts;
  if (mode === "none") return finding("lockdown", "ok", "none");
  if (mode !== null) {
    return finding("lockdown", "note", `${mode}: only -s with a signed kernel`, LOAD_SIGNED);
  }
  const note = notes.find(({ source }) => source === LOCKDOWN);
  if (note !== undefined && isAbsent(note)) {
    return finding("lockdown", "note", "this kernel has none");
  }
  const asked = lockdownParameter(facts);
  const mount =
    note?.text === NO_SECURITYFS
      ? "To see it: mount -t securityfs securityfs /sys/kernel/security"
      : "";
  if (asked === null) return finding("lockdown", "note", notKnown(facts, LOCKDOWN), mount);
  const text = `lockdown=${asked} on the command line; ${notKnown(facts, LOCKDOWN)}`;
  return finding("lockdown", "note", text, [LOAD_SIGNED, mount].filter(Boolean).join("\n"));
}

/** Whether the kernel accepts signed images only, or may: unknown counts as may. */
function wantsSignature({ lockdown: mode, notes }: HostFacts): boolean {
  if (mode !== null) return mode !== "none";
  return notes.some((note) => note.source === LOCKDOWN && !isAbsent(note));
}

function loadDisabled({ kexec }: HostFacts): Finding[] {
  if (kexec.loadDisabled !== true) return [];
  const text = "kernel.kexec_load_disabled is 1";
  return [finding("sysctl", "no", text, "Nothing can be loaded until the next boot.")];
}

function memory(facts: HostFacts): Finding {
  const { memoryMap } = facts;
  if (memoryMap === null || memoryMap.ranges.length === 0) {
    const hint = memoryMapNotes(facts).join("\n");
    return finding("memory map", "no", "no source of the memory map can be read", hint);
  }
  const ram = freeRam(facts);
  const total = totalSize(ram);
  const best = largest(ram) ?? { start: 0n, end: 0n };
  const text =
    `${humanSize(total)} of RAM in ${MEMORY_MAP_SOURCE[memoryMap.source]}, ` +
    `the largest range ${humanSize(rangeSize(best))} at ${hex(best.start)}`;
  return finding("memory map", "ok", text, freeRamNotes(facts).join("\n"));
}

/** KHO, if it is on. */
function handover(facts: HostFacts): Finding[] {
  const { kho } = facts;
  if (kho === null) return [];
  const where =
    kho.scratch === null
      ? "its scratch areas are unknown"
      : `${humanSize(totalSize(kho.scratch))} of scratch areas`;
  const hint =
    "Load with -s, or with -a: kexec_load (-c) hands over none of the memory that this kernel keeps.";
  return [finding("KHO", "note", `kexec handover is on: ${where}`, hint)];
}

function guestOwned({ segmentRules }: HostFacts): Finding[] {
  const ranges = segmentRules.guestOwned;
  if (ranges === null) return [];
  const best = largest(ranges);
  if (best !== undefined) {
    const size = humanSize(rangeSize(best));
    const text = `the largest range that the hypervisor does not allocate during a load: ${size}`;
    return [finding("safe memory", "ok", text)];
  }
  const hint =
    "Xen may overwrite the image while loading it; the purgatory's digest check would stop the boot.";
  return [finding("safe memory", "note", "Xen does not report which memory its guests own", hint)];
}

function crashMemory(facts: HostFacts): Finding {
  const region = findCrashRegion(facts);
  const unread = facts.notes.find(({ source }) => source === IOMEM);
  if (region === null && unread !== undefined && facts.crashRules.reservedWhere === null) {
    return finding("crash memory", "note", notKnown(facts, IOMEM));
  }
  if (region === null) {
    const hint =
      "-p needs reserved memory: boot with crashkernel=256M (under Xen, on Xen's command line).";
    return finding("crash memory", "note", "none is reserved", hint);
  }
  const { used, usedSize, cma } = region;
  const cmaSize = totalSize(cma);
  const more = cmaSize === 0n ? "" : `, and ${humanSize(cmaSize)} of CMA`;
  const text = `${humanSize(usedSize)} at ${hex(used.start)}${more}`;
  if (usedSize + cmaSize >= CRASH_REGION_USUAL) return finding("crash memory", "ok", text);
  const hint = `Most kernels with their initrd need more than ${humanSize(CRASH_REGION_USUAL)}.`;
  return finding("crash memory", "note", `${text}, probably too little`, hint);
}

function loadedImages(host: ExaminedHost): Finding[] {
  if ("refusal" in host) return [];
  const say = (loaded: boolean | null): string =>
    loaded === null ? "not known" : loaded ? "loaded" : "not loaded";
  const text = `kernel: ${say(host.loaded)}; crash kernel: ${say(host.crashLoaded)}`;
  return [finding("images", "note", text)];
}

/** The findings of an architecture that onekexec does not support. */
const UNKNOWN_ARCHITECTURE: ArchFindings = {
  firmware: [finding("Secure Boot", "note", "not known on this architecture")],
  handoff: [finding("screen", "note", "not passed on: only x86 kernels accept one")],
};

function unknownMachine(facts: HostFacts): Finding[] {
  if (findArch(facts) !== undefined) return [];
  const text = `kexec makes no plans for ${facts.machine || "this machine"}`;
  return [finding("architecture", "no", text, "It plans for x86_64.")];
}

function archFindings(facts: HostFacts): ArchFindings {
  return findArch(facts)?.findings(facts) ?? UNKNOWN_ARCHITECTURE;
}

/** Why the facts could not be read. */
export interface Unreadable {
  readonly unreadable: string;
  readonly hint: string;
}

/** Diagnoses a machine from its facts and the host's answers. */
export function diagnose(facts: HostFacts | Unreadable, host: ExaminedHost): Diagnosis {
  if ("unreadable" in facts) {
    const map = finding("memory map", "no", facts.unreadable, facts.hint);
    return { canLoad: false, signedOnly: false, findings: [...hostFindings(host), map] };
  }
  const map = memory(facts);
  const { firmware, handoff } = archFindings(facts);
  const usable = "refusal" in host ? [] : host.probes.filter(({ works }) => works);
  const isKnown = findArch(facts) !== undefined;
  const canLoad = isKnown && usable.some(({ kind }) => kind === "file" || map.verdict === "ok");
  return {
    canLoad,
    // A kernel that is locked down refuses every kexec_load.
    signedOnly: canLoad && !usable.some(({ kind }) => kind === "segments") && wantsSignature(facts),
    findings: [
      ...hostFindings(host),
      ...unknownMachine(facts),
      privilege(facts),
      ...firmware,
      lockdown(facts),
      ...loadDisabled(facts),
      map,
      ...handover(facts),
      ...guestOwned(facts),
      crashMemory(facts),
      ...loadedImages(host),
      ...handoff,
    ],
  };
}

function conclusion(canLoad: boolean, signedOnly: boolean): string {
  if (!canLoad) return "No kernel can be loaded here.";
  if (!signedOnly) return "A kernel can be loaded here.";
  return "A kernel can be loaded here if it is signed by a key that this kernel trusts.";
}

/** A diagnosis as lines for people. */
export function diagnosisText({ canLoad, signedOnly, findings }: Diagnosis): string[] {
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  return [
    ...findings.flatMap(({ subject, verdict, text, hint }) => [
      `${verdict.padEnd(4)}  ${subject.padEnd(width)}  ${text}`,
      ...hint
        .split("\n")
        .filter(Boolean)
        .map((line) => `${" ".repeat(width + 8)}${line}`),
    ]),
    "",
    conclusion(canLoad, signedOnly),
  ];
}
