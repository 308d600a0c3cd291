/**
 * `--doctor`: what works on a machine and what does not, and what to do about it. Pure: facts and
 * answers in, findings out.
 */

import { passesStaleScreen } from "../arch/x86-64/file-screen.ts";
import { SECURE_BOOT_AT } from "../arch/x86-64/handoff/efi-info.ts";
import { nextScreen } from "../arch/x86-64/handoff/next-screen.ts";
import { hex, humanSize } from "../core/address.ts";
import { largest, normalize, rangeSize, totalSize } from "../core/range.ts";
import type { HostProbe } from "../model/backend.ts";
import { CAP_SYS_BOOT, type HostFacts } from "../model/host-facts.ts";
import { NO_X86_FACTS } from "../model/x86-64.ts";
import { findCrashRegion } from "./crash/crash-region.ts";
import { memoryMapNotes } from "./memory-map-notes.ts";
import { MEMORY_MAP_SOURCE } from "./memory-picture.ts";

/** `ok` works, `no` does not, `note` is to be known. */
export type Verdict = "ok" | "no" | "note";

export interface Finding {
  /** One word or two, for people and programs. */
  readonly subject: string;
  readonly verdict: Verdict;
  /** One sentence. */
  readonly text: string;
  /** What to do; empty where there is nothing. */
  readonly hint: string;
}

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
/** `secure_boot` of the zero page, where the firmware enforces it.
 * [linux include/linux/efi.h enum efi_secureboot_mode] */
const SECURE_BOOT_ENABLED = 3;

const finding = (subject: string, verdict: Verdict, text: string, hint = ""): Finding => ({
  subject,
  verdict,
  text,
  hint,
});

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
  if (capabilities === null) return finding("privilege", "note", "/proc/self/status tells none");
  return (capabilities & CAP_SYS_BOOT) !== 0n
    ? finding("privilege", "ok", "this process has CAP_SYS_BOOT")
    : finding("privilege", "no", "this process lacks CAP_SYS_BOOT", "Run kexec as root.");
}

function lockdown({ lockdown: mode, x86_64 }: HostFacts): Finding[] {
  const secure = x86_64?.bootParams?.[SECURE_BOOT_AT] === SECURE_BOOT_ENABLED;
  const found = [
    secure
      ? finding("Secure Boot", "note", "is on: kernels must be signed by a key that is trusted")
      : finding("Secure Boot", "note", "is off, or this machine has none"),
  ];
  if (mode === null) return [...found, finding("lockdown", "note", "this kernel has none")];
  if (mode === "none") return [...found, finding("lockdown", "ok", "none")];
  const hint = "Load with -s (or -a, the default), and a kernel that is signed.";
  return [...found, finding("lockdown", "note", `${mode}: only -s with a signed kernel`, hint)];
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
  const ram = normalize(memoryMap.ranges.filter(({ type }) => type === "ram"));
  const total = totalSize(ram);
  const best = largest(ram) ?? { start: 0n, end: 0n };
  const text =
    `${humanSize(total)} of RAM by ${MEMORY_MAP_SOURCE[memoryMap.source]}, ` +
    `the largest range ${humanSize(rangeSize(best))} at ${hex(best.start)}`;
  return finding("memory map", "ok", text);
}

function guestOwned({ segmentRules }: HostFacts): Finding[] {
  const ranges = segmentRules.guestOwned;
  if (ranges === null) return [];
  const best = largest(ranges);
  if (best !== undefined) {
    const size = humanSize(rangeSize(best));
    return [finding("safe memory", "ok", `the largest range that is safe to load to has ${size}`)];
  }
  const hint = "An image may be spoilt while Xen takes it; the purgatory would notice and stop.";
  return [finding("safe memory", "note", "Xen does not show which memory guests have", hint)];
}

function crashMemory(facts: HostFacts): Finding {
  const region = findCrashRegion(facts);
  if (region === null) {
    const hint =
      "For -p reserve some: boot with crashkernel=256M (under Xen, on Xen's command line).";
    return finding("crash memory", "note", "none is reserved", hint);
  }
  const { used, usedSize } = region;
  const text = `${humanSize(usedSize)} at ${hex(used.start)}`;
  if (usedSize >= CRASH_REGION_USUAL) return finding("crash memory", "ok", text);
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

/** For kernels and frame buffers for multiboot images alike. */
function screen(facts: HostFacts): Finding {
  if (facts.architecture !== "x86_64") {
    return finding("screen", "note", "nothing is passed on: only x86 kernels are told of one");
  }
  const own = facts.x86_64 ?? NO_X86_FACTS;
  const { kind, note } = nextScreen({ ...facts, ...own, reuseVideoType: false, resetVga: false });
  const text = note.replace(/^Screen: /, "").replace(/\.$/, "");
  const hint = passesStaleScreen(facts)
    ? "With -s or -a the running kernel passes on what it was told at boot; with -c not."
    : "";
  const isSure = kind === "framebuffer" || kind === "text";
  return finding("screen", isSure ? "ok" : "note", text, hint);
}

function handoff(facts: HostFacts): Finding[] {
  const runtime = facts.efi?.runtimeMap.length ?? 0;
  const efi =
    facts.efi === null
      ? "not EFI, or hidden: the next kernel gets none"
      : runtime > 0
        ? "is passed on to kernels that can take it over"
        : "cannot be passed on: there is no runtime-map";
  const rsdp =
    facts.acpiRsdp === null
      ? "the next kernel has to find the root pointer by itself"
      : `the root pointer is ${hex(facts.acpiRsdp)}`;
  return [
    finding("EFI", facts.efi !== null && runtime === 0 ? "note" : "ok", efi),
    finding("ACPI", "ok", rsdp),
    screen(facts),
  ];
}

/** Why there are no facts. */
export interface Unreadable {
  readonly unreadable: string;
  readonly hint: string;
}

/** Looks at a machine. */
export function examine(facts: HostFacts | Unreadable, host: ExaminedHost): Diagnosis {
  if ("unreadable" in facts) {
    const map = finding("memory map", "no", facts.unreadable, facts.hint);
    return { canLoad: false, findings: [...hostFindings(host), map] };
  }
  const map = memory(facts);
  const usable = "refusal" in host ? [] : host.probes.filter(({ works }) => works);
  const canLoad = usable.some(({ kind }) => kind === "file" || map.verdict === "ok");
  return {
    canLoad,
    findings: [
      ...hostFindings(host),
      privilege(facts),
      ...lockdown(facts),
      ...loadDisabled(facts),
      map,
      ...guestOwned(facts),
      crashMemory(facts),
      ...loadedImages(host),
      ...handoff(facts),
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
