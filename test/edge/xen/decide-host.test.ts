import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decideHost, parseXenFeatures } from "../../../src/edge/xen/decide-host.ts";
import { BARE, XEN } from "../../facts/evidence.ts";

const ARM = { ...XEN, architecture: "arm64" as const };

/** The features of each type of domain. [xen xen/common/kernel.c XENVER_get_features] */
const bits = (...numbers: bigint[]): bigint => numbers.reduce((all, bit) => all | (1n << bit), 0n);
const DOM0 = bits(11n);
const PV_GUEST = bits(4n, 5n, 6n, 7n, 13n, 17n, 18n, 19n);
const HVM_GUEST = bits(0n, 2n, 8n, 9n, 10n, 13n, 16n, 18n, 19n);
const PV_DOM0 = PV_GUEST | DOM0;
const PVH_DOM0 = HVM_GUEST | DOM0;

test.each([
  ["a machine without Xen", {}, "linux"],
  ["KVM or VMware", { type: "kvm" }, "linux"],
  ["another hypervisor, and a stray /proc/xen", { type: "kvm", procXen: true }, "linux"],

  ["PV dom0", { ...XEN, guestType: "PV", features: PV_DOM0 }, "xen"],
  ["PV dom0 by xenfs", { ...XEN, guestType: "PV", capabilities: "control_d\n" }, "xen"],
  ["PV dom0 before Linux 4.13", { ...XEN, features: PV_DOM0 }, "xen"],
  ["PV dom0 of an old Xen", { ...XEN, features: PV_GUEST, capabilities: "control_d\n" }, "xen"],

  ["PV guest", { ...XEN, guestType: "PV", features: PV_GUEST, capabilities: "" }, "none"],
  ["PV guest, no features", { ...XEN, guestType: "PV" }, "none"],
  ["PV guest before Linux 4.13", { ...XEN, features: PV_GUEST }, "none"],

  ["HVM guest", { ...XEN, guestType: "HVM", features: HVM_GUEST, capabilities: "" }, "linux"],
  ["HVM guest before Linux 4.13", { ...XEN, features: HVM_GUEST }, "linux"],
  ["PVH guest", { ...XEN, guestType: "PVH", features: HVM_GUEST }, "linux"],
  ["PVH dom0", { ...XEN, guestType: "PVH", features: PVH_DOM0 }, "none"],
  ["PVH dom0 by xenfs", { ...XEN, guestType: "PVH", capabilities: "control_d\n" }, "none"],

  ["a domain of unknown type", XEN, "none"],
  ["a dom0 of unknown type", { ...XEN, capabilities: "control_d\n" }, "none"],
  ["only /proc/xen: no sysfs", { ...BARE, procXen: true }, "none"],
  ["only xenfs", { ...BARE, capabilities: "" }, "none"],
  ["only interrupts", { ...BARE, xenInterrupts: true }, "none"],
  ["files that cannot be read", { unreadable: ["/sys/hypervisor/type: EIO."] }, "none"],
  ["an empty type, and /proc/xen", { type: "", procXen: true }, "none"],
  ["an empty type, and nothing else", { type: "" }, "linux"],

  ["arm64 guest", { ...ARM, guestType: "Xen", features: HVM_GUEST }, "linux"],
  ["arm64 guest without features", ARM, "linux"],
  ["arm64 dom0", { ...ARM, guestType: "Xen", features: PVH_DOM0 }, "none"],
])("%s", (_name, evidence, host) => {
  expect(decideHost({ ...BARE, ...evidence }).host).toBe(host as "linux" | "xen" | "none");
});

test("the evidence lists each file", () => {
  const { evidence } = decideHost({ ...XEN, guestType: "PV", features: 0x800n, capabilities: "" });
  expect(evidence).toEqual([
    "Xen, PV dom0",
    "/sys/hypervisor/type: xen",
    "/sys/hypervisor/guest_type: PV",
    "/sys/hypervisor/properties/features: 0x800",
    '/proc/xen/capabilities: ""',
    "/proc/xen exists",
  ]);
});

test.each([
  ["unknown", XEN, "Mount sysfs"],
  ["PV guest", { ...XEN, guestType: "PV" }, "HVM"],
  ["PVH dom0", { ...XEN, guestType: "PVH", features: PVH_DOM0 }, "PV dom0"],
])("%s: the hint has a remedy", (_name, evidence, hint) => {
  const decision = decideHost(evidence);
  if (decision.host !== "none") throw new Error(decision.host);
  expect(decision.why).not.toBe("");
  expect(decision.hint).toContain(hint);
});

describe("with any contents of the files", () => {
  const anyEvidence = fc.record({
    architecture: fc.constantFrom("x86_64", "arm64", null),
    type: fc.constantFrom(null, "xen"),
    guestType: fc.constantFrom(null, "PV", "HVM", "PVH", "Xen", "new"),
    features: fc.option(fc.bigInt(0n, 0xfffffn)),
    capabilities: fc.constantFrom(null, "", "control_d\n"),
    procXen: fc.boolean(),
    xenInterrupts: fc.boolean(),
    unreadable: fc.constantFrom([], ["/proc/interrupts: EIO."]),
    version: fc.constantFrom(null, "4.17"),
  });

  test("Linux's own call never reaches a PV domain, nor any dom0", () => {
    fc.assert(
      fc.property(anyEvidence, (evidence) => {
        const { type, procXen, capabilities, xenInterrupts } = evidence;
        const xen = type === "xen" || procXen || capabilities !== null || xenInterrupts;
        const dom0 =
          evidence.capabilities === "control_d\n" || ((evidence.features ?? 0n) & 0x800n) !== 0n;
        if (xen && (dom0 || evidence.guestType === "PV")) {
          expect(decideHost(evidence).host).not.toBe("linux");
        }
      }),
      { numRuns: 1000 },
    );
  });
});

test.each([
  ["00012f05\n", 0x12f05n],
  ["0000000000000800\n", 0x800n],
  ["", null],
  ["xyz\n", null],
  ["00000000000000000001\n", null],
])("parseXenFeatures(%j)", (text, features) => {
  expect(parseXenFeatures(text)).toBe(features);
});
