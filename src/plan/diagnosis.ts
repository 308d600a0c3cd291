/**
 * What works on a machine and what does not, and what to do about it, for `--doctor`. Pure: facts
 * and answers in, findings out. What only one architecture knows is said by that one (`Arch`).
 */

import { findArch } from "../arch/index.ts";
import { hex, humanSize } from "../core/address.ts";
import { largest, rangeSize, totalSize } from "../core/range.ts";
import type { HostProbe } from "../model/backend.ts";
import { type ArchFindings, type Finding, finding } from "../model/finding.ts";
import { CAP_SYS_BOOT, type HostFacts } from "../model/host-facts.ts";
import { findCrashRegion } from "./crash/crash-region.ts";
import { memoryMapNotes } from "./memory-map-notes.ts";
import { MEMORY_MAP_SOURCE } from "./memory-picture.ts";
import { freeRam, freeRamNotes } from "./purpose/usable-memory.ts";

export interface Diagnosis {
  /** Whether some way of loading a kernel can work. */
  readonly canLoad: boolean;
  readonly findings: readonly Finding[];
}

/** The host as it was chosen, or why there is none. */
export type ExaminedHost =
  | {
      readonly name: string;
      readonly evidence: readonly string[];
      readonly probes: readonly HostProbe[];
      /** null: the host does not say. */
      readonly loaded: boolean | null;
      readonly crashLoaded: boolean | null;
    }
  | { readonly refusal: string; readonly hint: string };

/** Debian's and Fedora's kernels with their initrds hardly come up in less. */
const CRASH_REGION_USUAL = 160n << 20n;

function hostFindings(host: ExaminedHost): Finding[] {
  if ("refusal" in host) return [finding("host", "no", host.refusal, host.hint)];
  const why = host.evidence.filter((line) => line !== "").join("; ");
  return [
    finding("host", "ok", `kexec goes to ${host.name} (${why})`),
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

function privilege({ capabilities }: HostFacts): Finding {
  if (capabilities === null)
    return finding("privilege", "note", "no CapEff line in /proc/self/status");
  return (capabilities & CAP_SYS_BOOT) !== 0n
    ? finding("privilege", "ok", "this process has CAP_SYS_BOOT")
    : finding("privilege", "no", "this process lacks CAP_SYS_BOOT", "Run kexec as root.");
}

function lockdown({ lockdown: mode }: HostFacts): Finding {
  if (mode === null) return finding("lockdown", "note", "this kernel has none");
  if (mode === "none") return finding("lockdown", "ok", "none");
  const hint = "Load with -s (or -a, the default), and a kernel that is signed.";
  return finding("lockdown", "note", `${mode}: only -s with a signed kernel`, hint);
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
    return finding("memory map", "no", "no source of it can be read", hint);
  }
  const ram = freeRam(facts);
  const total = totalSize(ram);
  const best = largest(ram) ?? { start: 0n, end: 0n };
  const text =
    `${humanSize(total)} of RAM by ${MEMORY_MAP_SOURCE[memoryMap.source]}, ` +
    `the largest range ${humanSize(rangeSize(best))} at ${hex(best.start)}`;
  return finding("memory map", "ok", text, freeRamNotes(facts).join("\n"));
}

/** Kernels without it need not hear of it. */
function handover(facts: HostFacts): Finding[] {
  const { kho } = facts;
  if (kho === null) return [];
  const where =
    kho.scratch === null
      ? "where its scratch areas are is not known"
      : `${humanSize(totalSize(kho.scratch))} of scratch areas`;
  const hint =
    "Load with -s (or -a, the default): kexec_load (-c) hands nothing over of what this kernel keeps.";
  return [finding("KHO", "note", `kexec handover is on: ${where}`, hint)];
}

function guestOwned({ segmentRules }: HostFacts): Finding[] {
  const ranges = segmentRules.guestOwned;
  if (ranges === null) return [];
  const best = largest(ranges);
  if (best !== undefined) {
    const size = humanSize(rangeSize(best));
    return [finding("safe memory", "ok", `the largest range that is safe to load to has ${size}`)];
  }
  const hint =
    "Xen may overwrite the image while loading it; the purgatory's digest check would stop the boot.";
  return [finding("safe memory", "note", "Xen does not show which memory guests have", hint)];
}

function crashMemory(facts: HostFacts): Finding {
  const region = findCrashRegion(facts);
  if (region === null) {
    const hint =
      "For -p reserve some: boot with crashkernel=256M (under Xen, on Xen's command line).";
    return finding("crash memory", "note", "none is reserved", hint);
  }
  const { used, usedSize, cma } = region;
  const cmaSize = totalSize(cma);
  const more = cmaSize === 0n ? "" : `, and ${humanSize(cmaSize)} of CMA`;
  const text = `${humanSize(usedSize)} at ${hex(used.start)}${more}`;
  if (usedSize + cmaSize >= CRASH_REGION_USUAL) return finding("crash memory", "ok", text);
  const hint = `Most kernels with their initrd need more than ${humanSize(CRASH_REGION_USUAL)}.`;
  return finding("crash memory", "note", `${text}, which is little`, hint);
}

function loadedImages(host: ExaminedHost): Finding[] {
  if ("refusal" in host) return [];
  const say = (loaded: boolean | null): string =>
    loaded === null ? "not known" : loaded ? "loaded" : "not loaded";
  const text = `kernel: ${say(host.loaded)}; crash kernel: ${say(host.crashLoaded)}`;
  return [finding("images", "note", text)];
}

/** Of an architecture that onekexec knows nothing of. */
const UNKNOWN_ARCHITECTURE: ArchFindings = {
  firmware: [finding("Secure Boot", "note", "is off, or this machine has none")],
  handoff: [finding("screen", "note", "nothing is passed on: only x86 kernels take one")],
};

function archFindings(facts: HostFacts): ArchFindings {
  return findArch(facts)?.findings(facts) ?? UNKNOWN_ARCHITECTURE;
}

/** Why there are no facts. */
export interface Unreadable {
  readonly unreadable: string;
  readonly hint: string;
}

/** What works on a machine and what does not, from its facts and the host's answers. */
export function diagnose(facts: HostFacts | Unreadable, host: ExaminedHost): Diagnosis {
  if ("unreadable" in facts) {
    const map = finding("memory map", "no", facts.unreadable, facts.hint);
    return { canLoad: false, findings: [...hostFindings(host), map] };
  }
  const map = memory(facts);
  const { firmware, handoff } = archFindings(facts);
  const usable = "refusal" in host ? [] : host.probes.filter(({ works }) => works);
  const canLoad = usable.some(({ kind }) => kind === "file" || map.verdict === "ok");
  return {
    canLoad,
    findings: [
      ...hostFindings(host),
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

/** A diagnosis as lines for people. */
export function diagnosisText({ canLoad, findings }: Diagnosis): string[] {
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
    canLoad ? "A kernel can be loaded here." : "No kernel can be loaded here.",
  ];
}
