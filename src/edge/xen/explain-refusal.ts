/** Explains an error of Xen's kexec calls, and what to try. Pure. */

import type { ImagePurpose } from "../../model/purpose.ts";
import { Errno } from "../ffi/errno.ts";

export type XenCall = "load" | "unload" | "exec";

type Hints = Readonly<Record<ImagePurpose, string | undefined>>;

const NO_LIVE_UPDATE =
  "This Xen has no live update: it accepts normal and crash images only.\n" +
  "Upstream Xen does not support live update by kexec; only patched hypervisors do.";
const REJECTED =
  "Xen rejected the plan, which --dry-run shows. Please report this with the output of -d.";
const UNALIGNED = "Internal error: unaligned segment; please report";

/** For EINVAL of a load. */
const INVALID_LOAD: Hints = {
  normal: REJECTED,
  crash: REJECTED,
  "preserve-context": REJECTED,
  "live-update": NO_LIVE_UPDATE,
};
/** For EINVAL of the other calls. */
const INVALID: Hints = {
  normal: undefined,
  crash: undefined,
  "preserve-context": undefined,
  "live-update": NO_LIVE_UPDATE,
};
/** For EADDRNOTAVAIL. */
const ADDRESS: Hints = {
  normal: UNALIGNED,
  crash:
    "A segment is outside of the memory that Xen reserved for a crash kernel: boot Xen with a " +
    "larger crashkernel=.",
  "preserve-context": UNALIGNED,
  "live-update": UNALIGNED,
};

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
      return ADDRESS[purpose];
    case Errno.EINVAL:
      return (call === "load" ? INVALID_LOAD : INVALID)[purpose];
    case Errno.EAGAIN:
    case Errno.EINTR:
      return "The hypercall was interrupted and did nothing: try again.";
    case Errno.E2BIG:
      return "The plan has more segments than Xen accepts; --dry-run shows them.";
    default:
      return (
        "Xen's kexec never returns this error: it comes from the privcmd driver or a security policy.\n" +
        "dmesg and xl dmesg may say more."
      );
  }
}
