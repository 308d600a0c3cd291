/**
 * Decides which kexec a machine has: Linux's own, Xen's, or none. Pure.
 *
 * The decision comes before any kexec call: Linux's own system call crashes the kernel of a PV
 * domain, because the domain's physical addresses are not machine addresses.
 */

import { withoutBlanks } from "../../core/bytes.ts";
import type { Architecture } from "../../model/architecture.ts";

/** The contents of the files that show Xen; null for a file that is missing or unreadable. */
export interface HypervisorEvidence {
  /** null on an architecture that onekexec does not support. */
  readonly architecture: Architecture | null;
  /** /sys/hypervisor/type: `xen` under Xen. */
  readonly type: string | null;
  /** /sys/hypervisor/guest_type, since Linux 4.13: `PV`, `HVM`, `PVH`, and on ARM `Xen`. */
  readonly guestType: string | null;
  /** /sys/hypervisor/properties/features, a bit mask. */
  readonly features: bigint | null;
  /** /proc/xen/capabilities, where xenfs is mounted: `control_d` in dom0, else empty. */
  readonly capabilities: string | null;
  /** Whether /proc/xen exists, as in every domain of Xen. */
  readonly procXen: boolean;
  /** Whether /proc/interrupts lists Xen's event channels, which shows Xen without /sys too. */
  readonly xenInterrupts: boolean;
  /** Files among these that are there and cannot be read, each with the reason. */
  readonly unreadable: readonly string[];
  /** The hypervisor's version, `4.17`, from /sys/hypervisor/version. */
  readonly version: string | null;
}

export const HYPERVISOR_FILES = {
  type: "/sys/hypervisor/type",
  guestType: "/sys/hypervisor/guest_type",
  features: "/sys/hypervisor/properties/features",
  capabilities: "/proc/xen/capabilities",
  procXen: "/proc/xen",
  interrupts: "/proc/interrupts",
  major: "/sys/hypervisor/version/major",
  minor: "/sys/hypervisor/version/minor",
} as const;

export type HostDecision =
  | { readonly host: "linux"; readonly evidence: readonly string[] }
  | { readonly host: "xen"; readonly evidence: readonly string[] }
  | {
      readonly host: "none";
      readonly evidence: readonly string[];
      /** The machine's kind, and why it has no kexec. */
      readonly why: string;
      readonly hint: string;
    };

/** Bits of `features`. [xen xen/include/public/features.h] */
const XENFEAT_AUTO_TRANSLATED_PHYSMAP = 1n << 2n;
const XENFEAT_DOM0 = 1n << 11n;

/** The type of a domain; `unknown` if no file says which. */
type Domain = "PV" | "HVM" | "PVH" | "unknown";

/**
 * Parses the text of the features file, hexadecimal digits; null for any other text.
 * [linux drivers/xen/sys-hypervisor.c features_show]
 */
export function parseXenFeatures(text: string): bigint | null {
  const digits = withoutBlanks(text);
  return /^[0-9a-f]{1,16}$/i.test(digits) ? BigInt(`0x${digits}`) : null;
}

/** Whether the text of /proc/interrupts names an interrupt chip of Xen.
 * [linux drivers/xen/events] */
export function hasXenInterrupts(interrupts: string): boolean {
  return /\bxen-(?:dyn|percpu|pirq)\b/.test(interrupts);
}

function isXen({ type, capabilities, procXen, xenInterrupts }: HypervisorEvidence): boolean {
  if (type !== null && type !== "") return type === "xen";
  return procXen || capabilities !== null || xenInterrupts;
}

function hasFeature({ features }: HypervisorEvidence, bit: bigint): boolean {
  return features !== null && (features & bit) !== 0n;
}

function isDom0(evidence: HypervisorEvidence): boolean {
  if (evidence.capabilities?.includes("control_d")) return true;
  return hasFeature(evidence, XENFEAT_DOM0);
}

/**
 * The type of the domain. Linux before 4.13 has no guest_type; there, `features` tells PV from the
 * other types, whose physical addresses Xen translates. Xen on ARM has no PV domains.
 */
function domainOf(evidence: HypervisorEvidence): Domain {
  const { architecture, guestType, features } = evidence;
  if (guestType === "PV" || guestType === "HVM" || guestType === "PVH") return guestType;
  if (architecture === "arm64") return "PVH";
  if (features === null) return "unknown";
  return hasFeature(evidence, XENFEAT_AUTO_TRANSLATED_PHYSMAP) ? "HVM" : "PV";
}

function show(evidence: HypervisorEvidence): string[] {
  const { type, guestType, features, capabilities, procXen, xenInterrupts, version } = evidence;
  const lines: string[] = [];
  if (type !== null) lines.push(`${HYPERVISOR_FILES.type}: ${type}`);
  if (guestType !== null) lines.push(`${HYPERVISOR_FILES.guestType}: ${guestType}`);
  if (features !== null) lines.push(`${HYPERVISOR_FILES.features}: 0x${features.toString(16)}`);
  if (capabilities !== null) {
    lines.push(`${HYPERVISOR_FILES.capabilities}: ${JSON.stringify(withoutBlanks(capabilities))}`);
  }
  if (procXen) lines.push(`${HYPERVISOR_FILES.procXen} exists`);
  if (xenInterrupts) lines.push(`${HYPERVISOR_FILES.interrupts}: event channels of Xen`);
  if (version !== null) lines.push(`/sys/hypervisor/version: ${version}`);
  return lines;
}

/** Which kexec the machine has that `evidence` was read on. */
export function decideHost(evidence: HypervisorEvidence): HostDecision {
  const lines = show(evidence);
  if (!isXen(evidence)) {
    const { unreadable } = evidence;
    return unreadable.length > 0
      ? hidden(unreadable)
      : { host: "linux", evidence: ["no Xen", ...lines] };
  }
  const domain = domainOf(evidence);
  const dom0 = isDom0(evidence);
  const seen = [`Xen, ${domain} ${dom0 ? "dom0" : "domain"}`, ...lines];
  if (domain === "unknown") return unknownDomain(seen);
  if (domain === "PV") return dom0 ? { host: "xen", evidence: seen } : pvGuest(seen);
  if (!dom0) return { host: "linux", evidence: seen };
  return evidence.architecture === "arm64" ? armDom0(seen) : translatedDom0(seen, domain);
}

function hidden(unreadable: readonly string[]): HostDecision {
  return {
    host: "none",
    evidence: unreadable,
    why: "it is not known whether this is a domain of Xen",
    hint:
      "Linux's own kexec would crash a PV domain, so it is not tried.\n" +
      "Make the files readable that are named above.",
  };
}

function unknownDomain(evidence: string[]): HostDecision {
  return {
    host: "none",
    evidence,
    why: "this is a Xen domain of unknown type",
    hint:
      "Linux's own kexec would crash a PV domain, so this program does not call it.\n" +
      "Mount sysfs on /sys: /sys/hypervisor/guest_type has the type.",
  };
}

function pvGuest(evidence: string[]): HostDecision {
  return {
    host: "none",
    evidence,
    why: "this is a PV guest of Xen, and Xen offers kexec to dom0 only",
    hint: "Run the guest as PVH or HVM, where Linux's own kexec works, or use pvgrub.",
  };
}

function translatedDom0(evidence: string[], domain: Domain): HostDecision {
  return {
    host: "none",
    evidence,
    why: `this is a ${domain} dom0 of Xen, and Xen offers kexec to a PV dom0 only`,
    hint:
      "Linux's own kexec would reset the whole machine, so this program does not call it.\n" +
      "Boot Xen with a PV dom0: remove dom0=pvh from Xen's command line.",
  };
}

function armDom0(evidence: string[]): HostDecision {
  return {
    host: "none",
    evidence,
    why: "this is dom0 of Xen on arm64, where Xen does not support kexec",
    hint: "Linux's own kexec would reset the whole machine, so this program does not call it.",
  };
}
