import { expect, test } from "bun:test";
import { Errno } from "../../../src/edge/ffi/errno.ts";
import { explainXen, type XenCall } from "../../../src/edge/xen/explain-refusal.ts";
import { IMAGE_PURPOSES, type ImagePurpose } from "../../../src/model/purpose.ts";

const CALLS: readonly XenCall[] = ["load", "unload", "exec"];

/** A state of Xen in which a call fails, and its error. [xen xen/common/kexec.c,
 * xen/include/xsm] */
interface Refusal {
  readonly errno: keyof typeof Errno;
  readonly calls: readonly XenCall[];
  readonly purposes?: readonly ImagePurpose[];
  /** The term of Xen's documents for the cause, which the hint must contain. */
  readonly cause: string;
  /** The command or parameter that helps, which the hint must contain; null: none. */
  readonly remedy: string | null;
}

const REFUSALS: Readonly<Record<string, Refusal>> = {
  "the domain is not dom0, or XSM's policy forbids it": {
    ...{ errno: "EPERM", calls: CALLS },
    ...{ cause: "PV dom0", remedy: null },
  },
  "the hypervisor has no kexec": {
    ...{ errno: "ENOSYS", calls: CALLS },
    ...{ cause: "CONFIG_KEXEC", remedy: null },
  },
  "no image of this type is loaded": {
    ...{ errno: "ENOENT", calls: ["exec"] },
    ...{ cause: "Nothing is loaded", remedy: "kexec -l KERNEL" },
  },
  "Xen is starting an image": {
    ...{ errno: "EBUSY", calls: ["load", "unload"] },
    ...{ cause: "starting another kernel", remedy: null },
  },
  "Xen's heap is too small for the image, dom0 having the rest": {
    ...{ errno: "ENOMEM", calls: ["load"] },
    ...{ cause: "Xen keeps the image in its own free memory", remedy: "xl mem-set 0" },
  },
  "the hypercall's argument cannot be read": {
    ...{ errno: "EFAULT", calls: ["load"] },
    ...{ cause: "read the image from this process's memory", remedy: "try again" },
  },
  "a segment of a crash image lies outside of the crash area": {
    ...{ errno: "EADDRNOTAVAIL", calls: ["load"], purposes: ["crash"] },
    ...{ cause: "crash kernel", remedy: "crashkernel=" },
  },
  "the plan has too many segments, or they overlap": {
    ...{ errno: "EINVAL", calls: ["load"] },
    ...{ cause: "rejected the plan", remedy: "--dry-run" },
  },
  "this Xen knows two types of images": {
    ...{ errno: "EINVAL", calls: CALLS, purposes: ["live-update"] },
    ...{ cause: "no live update", remedy: null },
  },
};

test.each(Object.entries(REFUSALS))("the hint has the cause and the remedy: %s", (_, refusal) => {
  const { errno, calls, purposes = ["normal"], cause, remedy } = refusal;
  for (const call of calls) {
    for (const purpose of purposes) {
      const hint = explainXen(Errno[errno], call, purpose);
      expect(hint).toContain(cause);
      if (remedy !== null) expect(hint).toContain(remedy);
    }
  }
});

test("the hint for an unaligned segment, an internal error, suggests no boot parameter", () => {
  expect(explainXen(Errno.EADDRNOTAVAIL, "load", "normal")).not.toMatch(/boot|crashkernel/);
});

test.each<[keyof typeof Errno, XenCall]>([
  ["EINVAL", "unload"],
  ["EINVAL", "exec"],
])("%s of %s has too many causes to name", (name, call) => {
  expect(explainXen(Errno[name], call, "normal")).toBeUndefined();
});

test.each<[keyof typeof Errno, string]>([
  ["EAGAIN", "try again"],
  ["EINTR", "try again"],
  ["E2BIG", "more segments"],
  ["EIO", "xl dmesg"],
])("%s of a load", (name, text) => {
  expect(explainXen(Errno[name], "load", "normal")).toContain(text);
});

test("every hint has at most three lines", () => {
  for (const errno of Object.values(Errno)) {
    for (const call of CALLS) {
      for (const purpose of IMAGE_PURPOSES) {
        const lines = explainXen(errno, call, purpose)?.split("\n") ?? [];
        expect(lines.length).toBeLessThanOrEqual(3);
        expect(lines.filter((line) => line.length > 120)).toEqual([]);
      }
    }
  }
});
