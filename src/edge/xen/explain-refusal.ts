/** Why Xen refused, in words, and what to try. Pure. */

import type { ImagePurpose } from "../../model/purpose.ts";
import { Errno } from "../ffi/errno.ts";

export type XenCall = "load" | "unload" | "exec";

function explainInvalid(call: XenCall, purpose: ImagePurpose): string | undefined {
  if (purpose === "live-update") {
    return (
      "This Xen has no live update: it keeps a normal image and a crash image, and refuses the " +
      "third kind.\nXen itself never had it; only hypervisors with patches for it do."
    );
  }
  if (call !== "load") return undefined;
  return "Xen did not take the plan; --dry-run shows it. A report should have the output of -d.";
}

function explainAddress(purpose: ImagePurpose): string {
  return purpose === "crash"
    ? "A segment lies outside of the memory that Xen keeps for a crash kernel: boot Xen with a " +
        "larger crashkernel=."
    : "Internal error: unaligned segment; please report";
}

/** A hint of at most three lines; undefined where the error says it all. */
export function explainXen(
  errno: number,
  call: XenCall,
  purpose: ImagePurpose,
): string | undefined {
  switch (errno) {
    case Errno.EPERM:
      return "Xen allows kexec to a PV dom0 only, and its security policy may forbid it.";
    case Errno.ENOSYS:
      return "This Xen was built without kexec (CONFIG_KEXEC), or is older than 4.4.";
    case Errno.ENOENT:
      return "Nothing is loaded. Load a kernel first: kexec -l KERNEL --initrd=FILE";
    case Errno.EBUSY:
      return "Xen is on its way into another kernel already.";
    case Errno.ENOMEM:
      return (
        "Xen keeps the image in its own free memory until it is started, and has too little.\n" +
        "Give some back: xl mem-set 0 SIZE, or boot Xen with dom0_mem=SIZE."
      );
    case Errno.EFAULT:
      return "Xen could not read the image from this process's memory: try again.";
    case Errno.EADDRNOTAVAIL:
      return explainAddress(purpose);
    case Errno.EINVAL:
      return explainInvalid(call, purpose);
    case Errno.EAGAIN:
    case Errno.EINTR:
      return "The hypercall was interrupted before anything was loaded: try again.";
    case Errno.E2BIG:
      return "The plan has more segments than Xen takes; --dry-run shows them.";
    default:
      return (
        "Xen's kexec has no such error: the privcmd driver or a security policy gave it.\n" +
        "dmesg and xl dmesg may say more."
      );
  }
}
