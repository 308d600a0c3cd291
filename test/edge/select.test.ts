import { expect, test } from "bun:test";
import { selectBackend } from "../../src/edge/select.ts";
import type { HypervisorEvidence } from "../../src/edge/xen/decide-host.ts";
import { BARE, XEN } from "../facts/evidence.ts";
import { refusal } from "../kexec-error.ts";
import { fakeLinux } from "./linux/fake-linux.ts";
import { fakeXen } from "./xen/fake-xen.ts";

/** The backend of a made machine. */
const selected = async (
  evidence: HypervisorEvidence,
  linux: ReturnType<typeof fakeLinux>,
  xen: ReturnType<typeof fakeXen>,
) => (await selectBackend(evidence, linux.host, async () => xen.host))();

test("a machine without Xen gets the Linux backend, with the evidence", async () => {
  const xen = fakeXen();
  const backend = await selected(BARE, fakeLinux(), xen);
  expect(backend.name).toBe("linux");
  expect(backend.mapsFiles).toBe(true);
  expect(backend.evidence).toEqual(["no Xen"]);
  expect(xen.calls).toEqual([]);
});

test("an HVM guest of Xen gets the Linux backend", async () => {
  const backend = await selected({ ...XEN, guestType: "HVM" }, fakeLinux(), fakeXen());
  expect(backend.name).toBe("linux");
  expect(backend.evidence).toContain("/sys/hypervisor/guest_type: HVM");
});

test("a PV dom0 gets the Xen backend, which makes no call of Linux's", async () => {
  const linux = fakeLinux();
  const xen = fakeXen();
  const evidence = { ...XEN, guestType: "PV", capabilities: "control_d\n" };
  const backend = await selected(evidence, linux, xen);
  expect(backend.name).toBe("xen");
  expect(backend.mapsFiles).toBe(false);
  backend.unload("normal", "file");
  expect(linux.calls).toEqual([]);
  expect(xen.calls).not.toEqual([]);
});

test("selectBackend opens nothing", async () => {
  const xen = fakeXen();
  await selected({ ...XEN, guestType: "PV", capabilities: "control_d\n" }, fakeLinux(), xen);
  expect(xen.calls).toEqual([]);
});

test.each([
  ["PV guest", { ...XEN, guestType: "PV" }],
  ["PVH dom0", { ...XEN, guestType: "PVH", capabilities: "control_d\n" }],
  ["arm64 dom0", { ...XEN, architecture: "arm64" as const, capabilities: "control_d\n" }],
  ["a domain of unknown type", XEN],
] as const)("%s is refused, and no call is made", async (_name, evidence) => {
  const linux = fakeLinux();
  const xen = fakeXen();
  const make = await selectBackend(evidence, linux.host, async () => xen.host);
  const error = refusal(make);
  expect(error.code).toBe("xen.no-kexec");
  expect(error.exitStatus).toBe(255);
  expect(error.message).toContain("/sys/hypervisor/type: xen");
  expect(error.hint).not.toBeUndefined();
  expect(linux.calls).toEqual([]);
  expect(xen.calls).toEqual([]);
});
