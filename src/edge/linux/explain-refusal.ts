/**
 * Explains an error of the kernel's kexec calls, and what to try. Pure: the caller passes a
 * function that reads the machine, which is called only where the error number has several causes.
 */

import { CAP_SYS_BOOT, type HostFacts } from "../../model/host-facts.ts";
import type { ImagePurpose } from "../../model/purpose.ts";
import { Errno } from "../ffi/errno.ts";
import { linuxPurpose } from "./purposes.ts";

/** The call that failed; `unload` is by kexec_load, `file-unload` by kexec_file_load. */
export type KexecCall = "kexec_load" | "kexec_file_load" | "unload" | "file-unload" | "exec";

export interface RefusalEvidence {
  readonly capabilities: HostFacts["capabilities"];
  readonly lockdown: HostFacts["lockdown"];
  readonly loadDisabled: boolean | null;
  /** Loads left by /proc/sys/kernel/kexec_load_limit_{reboot,panic}; null for no limit, and before
   * Linux 6.3. */
  readonly loadsLeft: bigint | null;
}

/** A hint of at most three lines for `errno` of `call`; undefined where there is none to give. */
export type Explain = (errno: number, call: KexecCall, purpose: ImagePurpose) => string | undefined;

const SIGNATURE =
  "The image must be signed by a key that this kernel trusts (Secure Boot's db, MOK, or built in).";

/** Errors of the signature check of kexec_file_load. */
const OF_SIGNATURES: ReadonlyMap<number, string> = new Map([
  [Errno.ENODATA, `The image has no signature, and this kernel requires one.\n${SIGNATURE}`],
  [Errno.ENOKEY, `This kernel does not know the key that signed the image.\n${SIGNATURE}`],
  [Errno.EKEYREJECTED, `The image's signature is wrong, or its key is rejected.\n${SIGNATURE}`],
  [Errno.EKEYREVOKED, `The key that signed the image was revoked.\n${SIGNATURE}`],
  [Errno.EKEYEXPIRED, `The key that signed the image has expired.\n${SIGNATURE}`],
  [Errno.ELIBBAD, `The image's signature is malformed.\n${SIGNATURE}`],
  [Errno.EBADMSG, `The image's signature is malformed.\n${SIGNATURE}`],
  [Errno.EMSGSIZE, `The image's signature is malformed.\n${SIGNATURE}`],
  [Errno.ENOPKG, `This kernel lacks the algorithm of the image's signature.\n${SIGNATURE}`],
]);

function lockedDown(call: KexecCall, lockdown: string): string {
  const state = `The kernel is locked down (${lockdown})`;
  switch (call) {
    case "kexec_load":
      return `${state}: it loads signed images only.\nTry -s: kexec_load passes no signature.`;
    case "unload":
      return `${state}: only kexec_file_load may unload.\nTry -s -u.`;
    default:
      return `${state}.\n${SIGNATURE}`;
  }
}

/** Finds which of EPERM's causes applies: no capability, the sysctls, lockdown, or another
 * check. */
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
    return `kernel.kexec_load_limit_${limit} is 0: no further load is allowed until the next boot.`;
  }
  if (lockdown !== null && lockdown !== "none") return lockedDown(call, lockdown);
  // SystemCallFilter= is a setting of systemd units. systemd-udevd has it, and so do the programs
  // that udev rules run.
  const who = "a container, SystemCallFilter= or an LSM (SELinux, IMA)";
  return `CAP_SYS_BOOT is held; ${who} likely denies kexec.`;
}

function explainMissing(call: KexecCall): string {
  if (call === "kexec_file_load" || call === "file-unload") {
    return "This kernel was built without CONFIG_KEXEC_FILE: try -c.";
  }
  return "This kernel was built without CONFIG_KEXEC: try -s, which needs CONFIG_KEXEC_FILE.";
}

const BAD_ADDRESS = "A segment is not page-aligned, or above the highest address for loads.";
const ADDRESS_HINT: Readonly<Record<ImagePurpose, string>> = {
  normal: BAD_ADDRESS,
  crash: "A segment is outside of the memory reserved for a crash kernel: enlarge crashkernel=.",
  "preserve-context": BAD_ADDRESS,
  "live-update": BAD_ADDRESS,
};

/** EACCES comes from IMA, by a loaded policy or the one that Secure Boot enables.
 * [linux security/integrity/ima/ima_main.c ima_load_data] */
function explainAccess(call: KexecCall): string | undefined {
  const policy = "The kernel's IMA policy (Secure Boot enables one) forbids";
  if (call === "kexec_load") {
    return `${policy} kexec_load, which passes no signature.\nTry -s with a signed kernel.`;
  }
  return call === "kexec_file_load" ? `${policy} this image.\n${SIGNATURE}` : undefined;
}

const INVALID_HINT: Readonly<Record<ImagePurpose, string | undefined>> = {
  normal: undefined,
  crash: undefined,
  "preserve-context":
    "Most likely this kernel was built without CONFIG_KEXEC_JUMP, which a jump back needs.",
  "live-update": undefined,
};

function explainInvalid(call: KexecCall, purpose: ImagePurpose): string | undefined {
  if (call === "exec") return "No image is loaded, or this kernel was built without kexec.";
  return INVALID_HINT[purpose];
}

/** A hint of at most three lines; undefined where the cause is unknown.
 * @param look reads the machine; called at most once, and for EPERM only */
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
      return "Another kexec load is under way, or the kernel updates the crash image: try again.";
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
