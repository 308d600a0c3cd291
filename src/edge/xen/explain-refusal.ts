/** Explains an error of Xen's kexec calls, and what to try. Pure. */

import type { ImagePurpose } from "../../model/purpose.ts";
import { Errno } from "../ffi/errno.ts";

export type XenCall = "load" | "unload" | "exec";

function explainInvalid(call: XenCall, purpose: ImagePurpose): string | undefined {
  if (purpose === "live-update") {
    return (
      "This Xen has no live update: it accepts normal and crash images only.\n" +
      "Upstream Xen does not support live update by kexec; only patched hypervisors do."
    );
  }
  if (call !== "load") return undefined;
  return "Xen rejected the plan, which --dry-run shows. Please report this with the output of -d.";
}

function explainAddress(purpose: ImagePurpose): string {
  return purpose === "crash"
    ? "A segment is outside of the memory that Xen reserved for a crash kernel: boot Xen with a " +
        "larger crashkernel=."
    : "Internal error: unaligned segment; please report";
}

/** A hint of at most three lines for `errno` of `call`; undefined where there is none to give. */
export function explainXen(
  errno: number,
  call: XenCall,
  purpose: ImagePurpose,
): string | undefined {
  switch (errno) {
    case Errno.EPERM:
      return "Xen allows kexec to a PV dom0 only, and an XSM policy may forbid it there.";
    case Errno.ENOSYS:
      return "This Xen was built without kexec (CONFIG_KEXEC), or is older than 4.4.";
    case Errno.ENOENT:
      return "Nothing is loaded. Load a kernel first: kexec -l KERNEL --initrd=FILE";
    case Errno.EBUSY:
      return "Xen is already starting another kernel.";
    case Errno.ENOMEM:
      return (
        "Xen keeps the image in its own free memory until the image starts, and has too little.\n" +
        "Shrink dom0 with xl mem-set 0 SIZE, or boot Xen with dom0_mem=SIZE."
      );
    case Errno.EFAULT:
      return "Xen could not read the image from this process's memory: try again.";
    case Errno.EADDRNOTAVAIL:
      return explainAddress(purpose);
    case Errno.EINVAL:
      return explainInvalid(call, purpose);
    default:
      return undefined;
  }
}
