import { afterAll, expect, test } from "bun:test";
import { readHypervisorEvidence } from "../../../src/edge/xen/read-hypervisor-evidence.ts";
import { fakeRoot, removeFakeRoots } from "../linux/fake-machine.ts";

afterAll(removeFakeRoots);

test("on a machine without Xen all evidence is null or false", () => {
  expect(readHypervisorEvidence(fakeRoot())).toMatchObject({
    type: null,
    guestType: null,
    features: null,
    capabilities: null,
    procXen: false,
  });
});

test("a PV dom0 with xenfs", () => {
  const root = fakeRoot({
    "sys/hypervisor/type": "xen\n",
    "sys/hypervisor/guest_type": "PV\n",
    "sys/hypervisor/properties/features": "000e28e0\n",
    "proc/xen/capabilities": "control_d\n",
  });
  expect(readHypervisorEvidence(root)).toMatchObject({
    type: "xen",
    guestType: "PV",
    features: 0xe28e0n,
    capabilities: "control_d\n",
    procXen: true,
  });
});

test("a guest whose files have unknown contents", () => {
  const root = fakeRoot({
    "sys/hypervisor/type": "",
    "sys/hypervisor/properties/features": "?\n",
    "proc/xen/capabilities": "",
  });
  expect(readHypervisorEvidence(root)).toMatchObject({
    type: "",
    features: null,
    capabilities: "",
    procXen: true,
  });
});

const XEN = { "sys/hypervisor/type": "xen\n" };
const major = "sys/hypervisor/version/major";
const minor = "sys/hypervisor/version/minor";

test.each<[string, Record<string, string>, string | null]>([
  ["both numbers", { [major]: "4\n", [minor]: "17\n" }, "4.17"],
  ["no files", {}, null],
  ["no minor number", { [major]: "4\n" }, null],
  ["text after the number", { [major]: "4\n", [minor]: "17-unstable\n" }, null],
  ["a path", { [major]: "4\n", [minor]: "../../x\n" }, null],
])("the version: %s", (_name, files, version) => {
  expect(readHypervisorEvidence(fakeRoot(XEN, files)).version).toBe(version);
});

const INTERRUPTS = { "proc/interrupts": " 48:  100  xen-percpu    -virq      timer0\n" };

test("/proc/interrupts is read only where sysfs is not mounted", () => {
  expect(readHypervisorEvidence(fakeRoot(INTERRUPTS)).xenInterrupts).toBe(true);
  expect(readHypervisorEvidence(fakeRoot(INTERRUPTS, XEN)).xenInterrupts).toBe(false);
  expect(readHypervisorEvidence(fakeRoot()).xenInterrupts).toBe(false);
});
