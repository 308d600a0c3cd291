/**
 * Whose kexec this machine has: Linux's own, Xen's, or none. Pure: evidence in, decision out.
 *
 * It must be right before any kexec call is made: Linux's own call in a PV domain of Xen crashes
 * the kernel that makes it, since the memory that it hands to the new kernel is not its own.
 */

import { withoutBlanks } from "../../core/bytes.ts";
import type { Architecture } from "../../model/architecture.ts";

/** Files that tell of Xen; each null where it is missing or unreadable. */
export interface HypervisorEvidence {
  /** null on a machine that onekexec cannot plan for. */
  readonly architecture: Architecture | null;
  /** /sys/hypervisor/type: `xen`. */
  readonly type: string | null;
  /** /sys/hypervisor/guest_type, since Linux 4.13: `PV`, `HVM`, `PVH`, and on ARM `Xen`. */
  readonly guestType: string | null;
  /** /sys/hypervisor/properties/features, a bit mask. */
  readonly features: bigint | null;
  /** /proc/xen/capabilities, where xenfs is mounted: `control_d` in dom0, else empty. */
  readonly capabilities: string | null;
  /** Whether /proc/xen exists, which is so in every domain of Xen. */
  readonly procXen: boolean;
  /** Whether /proc/interrupts has Xen's event channels: told even where /sys is not mounted. */
  readonly xenInterrupts: boolean;
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
      /** What this machine is, and why it has no kexec. */
      readonly why: string;
      readonly hint: string;
    };

/** Bits of `features`. [xen xen/include/public/features.h] */
const XENFEAT_AUTO_TRANSLATED_PHYSMAP = 1n << 2n;
const XENFEAT_DOM0 = 1n << 11n;

/** A kind of domain; `unknown` where Xen is there and no file says which. */
type Domain = "PV" | "HVM" | "PVH" | "unknown";

/**
 * Reads the features file's text: hexadecimal digits. null for anything else.
 * [linux drivers/xen/sys-hypervisor.c features_show]
 */
export function parseXenFeatures(text: string): bigint | null {
  const digits = withoutBlanks(text);
  return /^[0-9a-f]{1,16}$/i.test(digits) ? BigInt(`0x${digits}`) : null;
}

/** Whether the text of /proc/interrupts names a chip of Xen's. [linux drivers/xen/events] */
export function hasXenInterrupts(interrupts: string): boolean {
  return /\bxen-(?:dyn|percpu|pirq)\b/.test(interrupts);
}

function isXen({ type, capabilities, procXen, xenInterrupts }: HypervisorEvidence): boolean {
  if (type !== null) return type === "xen";
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
 * A domain whose physical addresses Xen translates is not PV. Before Linux 4.13 only `features`
 * tells; nothing on ARM is PV.
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

/** Decides for the machine that `evidence` was read on. */
export function decideHost(evidence: HypervisorEvidence): HostDecision {
  const lines = show(evidence);
  if (!isXen(evidence)) return { host: "linux", evidence: ["no Xen", ...lines] };
  const domain = domainOf(evidence);
  const dom0 = isDom0(evidence);
  const seen = [`Xen, ${domain} ${dom0 ? "dom0" : "domain"}`, ...lines];
  if (domain === "unknown") return unknownDomain(seen);
  if (domain === "PV") return dom0 ? { host: "xen", evidence: seen } : pvGuest(seen);
  if (!dom0) return { host: "linux", evidence: seen };
  return evidence.architecture === "arm64" ? armDom0(seen) : translatedDom0(seen, domain);
}

function unknownDomain(evidence: string[]): HostDecision {
  return {
    host: "none",
    evidence,
    why: "this is a domain of Xen, and nothing says which kind",
    hint:
      "Linux's own kexec would crash a PV domain, so it is not tried.\n" +
      "Mount sysfs on /sys: /sys/hypervisor says which it is.",
  };
}

function pvGuest(evidence: string[]): HostDecision {
  return {
    host: "none",
    evidence,
    why: "this is a PV guest of Xen, which has no kexec: Xen offers it to dom0 only",
    hint: "Run the guest as PVH or HVM, where Linux's own kexec works, or use pvgrub.",
  };
}

function translatedDom0(evidence: string[], domain: Domain): HostDecision {
  return {
    host: "none",
    evidence,
    why: `this is a ${domain} dom0 of Xen, and Xen offers kexec to a PV dom0 only`,
    hint:
      "Linux's own kexec would reset the whole machine here, so it is not tried.\n" +
      "Boot Xen with a PV dom0: without dom0=pvh on its command line.",
  };
}

function armDom0(evidence: string[]): HostDecision {
  return {
    host: "none",
    evidence,
    why: "this is dom0 of Xen on arm64, and Xen has no kexec there",
    hint: "Linux's own kexec would reset the whole machine here, so it is not tried.",
  };
}
