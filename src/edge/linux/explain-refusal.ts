/**
 * Why the kernel refused, in words, and what to try. Pure: what it looks at is read by its caller,
 * and only where the error number leaves the cause open.
 */

import { CAP_SYS_BOOT, type HostFacts } from "../../model/host-facts.ts";
import type { ImagePurpose } from "../../model/purpose.ts";
import { Errno } from "../ffi/errno.ts";
import { linuxPurpose } from "./purposes.ts";

export type KexecCall = "kexec_load" | "kexec_file_load" | "unload" | "file-unload" | "exec";

export interface RefusalEvidence {
  readonly capabilities: HostFacts["capabilities"];
  readonly lockdown: HostFacts["lockdown"];
  readonly loadDisabled: boolean | null;
  /** /proc/sys/kernel/kexec_load_limit_{reboot,panic}: loads left, -1 for no limit; null where the
   * kernel is older than 6.3. */
  readonly loadsLeft: bigint | null;
}

/** A hint of at most three lines for `errno` of `call`; undefined where it needs none. */
export type Explain = (errno: number, call: KexecCall, purpose: ImagePurpose) => string | undefined;

const SIGNATURE =
  "The image must be signed by a key that this kernel trusts (Secure Boot's db, MOK, or built in).";

/** What one error number means whatever the machine is like. */
const OF_SIGNATURES: ReadonlyMap<number, string> = new Map([
  [Errno.ENODATA, `The image has no signature, and this kernel demands one.\n${SIGNATURE}`],
  [Errno.ENOKEY, `This kernel does not know the key that signed the image.\n${SIGNATURE}`],
  [Errno.EKEYREJECTED, `The image's signature is wrong, or its key is refused.\n${SIGNATURE}`],
  [Errno.EKEYREVOKED, `The key that signed the image was revoked.\n${SIGNATURE}`],
  [Errno.EKEYEXPIRED, `The key that signed the image has expired.\n${SIGNATURE}`],
  [Errno.ELIBBAD, `The image's signature cannot be read.\n${SIGNATURE}`],
  [Errno.EBADMSG, `The image's signature cannot be read.\n${SIGNATURE}`],
  [Errno.EMSGSIZE, `The image's signature cannot be read.\n${SIGNATURE}`],
  [Errno.ENOPKG, `This kernel cannot compute the image's kind of signature.\n${SIGNATURE}`],
]);

function lockedDown(call: KexecCall, lockdown: string): string {
  const state = `The kernel is locked down (${lockdown})`;
  switch (call) {
    case "kexec_load":
      return `${state}: it takes signed images only.\nTry -s: kexec_load has no signatures.`;
    case "unload":
      return `${state}: it unloads by kexec_file_load only.\nTry -s -u.`;
    default:
      return `${state}.\n${SIGNATURE}`;
  }
}

/** EPERM has four causes, and the kernel does not say which. */
function explainPermission(
  call: KexecCall,
  purpose: ImagePurpose,
  { capabilities, lockdown, loadDisabled, loadsLeft }: RefusalEvidence,
): string {
  if (capabilities !== null && (capabilities & CAP_SYS_BOOT) === 0n) {
    return "This process lacks CAP_SYS_BOOT: run kexec as root.";
  }
  if (call !== "exec" && loadDisabled) {
    return "kernel.kexec_load_disabled is 1: nothing can be loaded until the next boot.";
  }
  if (call !== "exec" && loadsLeft === 0n) {
    const { limit } = linuxPurpose(purpose);
    return `kernel.kexec_load_limit_${limit} is 0: no load is left until the next boot.`;
  }
  if (lockdown !== null && lockdown !== "none") return lockedDown(call, lockdown);
  // SystemCallFilter= is of systemd's units; udevd has it, and so has what its rules run.
  const who = "a container, SystemCallFilter= or an LSM (SELinux, IMA)";
  return `CAP_SYS_BOOT is held; ${who} probably denies it.`;
}

function explainMissing(call: KexecCall): string {
  if (call === "kexec_file_load" || call === "file-unload") {
    return "This kernel was built without CONFIG_KEXEC_FILE: try -c.";
  }
  return "This kernel was built without CONFIG_KEXEC. With CONFIG_KEXEC_FILE, -s works.";
}

const NO_SUCH_MEMORY = "A segment does not fit into the machine's memory.";
const ADDRESS_HINT: Readonly<Record<ImagePurpose, string>> = {
  normal: NO_SUCH_MEMORY,
  crash: "A segment does not fit into the memory reserved for a crash kernel: more crashkernel=.",
  "preserve-context": NO_SUCH_MEMORY,
  "live-update": NO_SUCH_MEMORY,
};

/** Of IMA, by its own policy or the one that Secure Boot brings.
 * [linux security/integrity/ima/ima_main.c ima_load_data] */
function explainAccess(call: KexecCall): string | undefined {
  const policy = "The kernel's IMA policy (Secure Boot brings one) refuses";
  if (call === "kexec_load") {
    return `${policy} kexec_load, which has no signatures.\nTry -s, with a kernel that is signed.`;
  }
  return call === "kexec_file_load" ? `${policy} this image.\n${SIGNATURE}` : undefined;
}

function explainInvalid(call: KexecCall, purpose: ImagePurpose): string | undefined {
  if (call === "exec") return "No image is loaded, or this kernel has no kexec.";
  if (purpose !== "preserve-context") return undefined;
  return "Most likely this kernel cannot be returned to: it was built without CONFIG_KEXEC_JUMP.";
}

/** @param look reads the machine; called at most once, and for EPERM only */
export function explainRefusal(
  errno: number,
  call: KexecCall,
  purpose: ImagePurpose,
  look: () => RefusalEvidence,
): string | undefined {
  switch (errno) {
    case Errno.EPERM:
      return explainPermission(call, purpose, look());
    case Errno.ENOSYS:
      return explainMissing(call);
    case Errno.EACCES:
      return explainAccess(call);
    case Errno.EBUSY:
      return "Another kexec load is under way, or a crash dump is being set up: try again.";
    case Errno.ENOMEM:
      return "The kernel has too little memory for the image: free some, or use a smaller one.";
    case Errno.EADDRNOTAVAIL:
      return ADDRESS_HINT[purpose];
    case Errno.EINVAL:
      return explainInvalid(call, purpose);
    default:
      return OF_SIGNATURES.get(errno);
  }
}
