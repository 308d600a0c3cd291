import { afterAll, expect, test } from "bun:test";
import { readHypervisorEvidence } from "../../../src/edge/host/read-hypervisor.ts";
import { fakeRoot, removeFakeRoots } from "./fake-machine.ts";

afterAll(removeFakeRoots);

test("a machine without Xen shows nothing", () => {
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

test("a guest whose files say nothing that is known", () => {
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
