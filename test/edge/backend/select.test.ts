import { expect, test } from "bun:test";
import { selectBackend } from "../../../src/edge/backend/select.ts";
import { BARE, XEN } from "../../facts/evidence.ts";
import { refusal } from "../refusal.ts";
import { fakeLinux } from "./fake-linux.ts";

test("a machine without Xen gets Linux's own kexec, with the evidence", () => {
  const backend = selectBackend(BARE, fakeLinux().host);
  expect(backend.name).toBe("linux");
  expect(backend.evidence).toEqual(["no Xen"]);
});

test("so does an HVM guest", () => {
  const backend = selectBackend({ ...XEN, guestType: "HVM" }, fakeLinux().host);
  expect(backend.name).toBe("linux");
  expect(backend.evidence).toContain("/sys/hypervisor/guest_type: HVM");
});

test.each([
  ["PV dom0", { ...XEN, guestType: "PV", capabilities: "control_d\n" }, "xen.not-implemented"],
  ["PV guest", { ...XEN, guestType: "PV" }, "xen.no-kexec"],
  ["PVH dom0", { ...XEN, guestType: "PVH", capabilities: "control_d\n" }, "xen.no-kexec"],
  ["no telling", XEN, "xen.no-kexec"],
] as const)("%s is refused, and no call is made", (_name, evidence, code) => {
  const linux = fakeLinux();
  const error = refusal(() => selectBackend(evidence, linux.host));
  expect(error.code).toBe(code);
  expect(error.exitStatus).toBe(255);
  expect(error.message).toContain("/sys/hypervisor/type: xen");
  expect(error.hint).not.toBeUndefined();
  expect(linux.calls).toEqual([]);
});
