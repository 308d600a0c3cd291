/**
 * The findings of `--doctor`: what works on a machine, what does not, and what to do about it, from
 * the facts and the host's answers. Pure. `Arch.findings` has those of one architecture.
 */

import { findArch } from "../arch/index.ts";
import { hex, humanSize } from "../core/address.ts";
import { largest, normalize, rangeSize, totalSize } from "../core/range.ts";
import type { HostProbe } from "../model/backend.ts";
import { type ArchFindings, type Finding, finding } from "../model/finding.ts";
import { CAP_SYS_BOOT, type HostFacts } from "../model/host-facts.ts";
import { findCrashRegion } from "./crash/crash-region.ts";
import { memoryMapNotes } from "./memory-map-notes.ts";
import { MEMORY_MAP_SOURCE } from "./memory-picture.ts";

export interface Diagnosis {
  /** Whether some way of loading a kernel can work. */
  readonly canLoad: boolean;
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
  const hint = "Load a signed kernel with -s, or with -a, the default.";
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
    return finding("memory map", "no", "no source of the memory map can be read", hint);
  }
  const ram = normalize(memoryMap.ranges.filter(({ type }) => type === "ram"));
  const total = totalSize(ram);
  const best = largest(ram) ?? { start: 0n, end: 0n };
  const text =
    `${humanSize(total)} of RAM in ${MEMORY_MAP_SOURCE[memoryMap.source]}, ` +
    `the largest range ${humanSize(rangeSize(best))} at ${hex(best.start)}`;
  return finding("memory map", "ok", text);
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
  if (region === null) {
    const hint =
      "-p needs reserved memory: boot with crashkernel=256M (under Xen, on Xen's command line).";
    return finding("crash memory", "note", "none is reserved", hint);
  }
  const { used, usedSize } = region;
  const text = `${humanSize(usedSize)} at ${hex(used.start)}`;
  if (usedSize >= CRASH_REGION_USUAL) return finding("crash memory", "ok", text);
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
  firmware: [finding("Secure Boot", "note", "is off, or this machine has none")],
  handoff: [finding("screen", "note", "not passed on: only x86 kernels accept one")],
};

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
