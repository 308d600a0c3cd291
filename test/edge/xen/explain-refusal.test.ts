import { expect, test } from "bun:test";
import { Errno } from "../../../src/edge/ffi/errno.ts";
import { explainXen, type XenCall } from "../../../src/edge/xen/explain-refusal.ts";
import { IMAGE_PURPOSES, type ImagePurpose } from "../../../src/model/purpose.ts";

const CALLS: readonly XenCall[] = ["load", "unload", "exec"];

test.each<[keyof typeof Errno, XenCall, ImagePurpose, string]>([
  ["EPERM", "load", "normal", "PV dom0 only"],
  ["ENOSYS", "unload", "normal", "CONFIG_KEXEC"],
  ["ENOENT", "exec", "normal", "Nothing is loaded."],
  ["EBUSY", "unload", "crash", "on its way into another kernel"],
  ["ENOMEM", "load", "crash", "dom0_mem="],
  ["EFAULT", "load", "normal", "could not read"],
  ["EADDRNOTAVAIL", "load", "normal", "unaligned segment; please report"],
  ["EADDRNOTAVAIL", "load", "crash", "larger crashkernel="],
  ["EINVAL", "load", "normal", "--dry-run"],
  ["EINVAL", "load", "live-update", "no live update"],
  ["EINVAL", "exec", "live-update", "no live update"],
])("%s of %s for %s", (name, call, purpose, words) => {
  expect(explainXen(Errno[name], call, purpose)).toContain(words);
});

test.each<[keyof typeof Errno, XenCall]>([
  ["EINVAL", "unload"],
  ["EINVAL", "exec"],
  ["EIO", "load"],
])("%s of %s says it all", (name, call) => {
  expect(explainXen(Errno[name], call, "normal")).toBeUndefined();
});

test("every hint fits under the message: three lines at most", () => {
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
