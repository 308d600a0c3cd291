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
  /** The value of lockdown= on the kernel's command line; null: none, or not known. */
  readonly lockdownParameter: string | null;
  /** Files among these that cannot be read, each with the reason. */
  readonly unreadable: readonly string[];
  /** /proc/sys/kernel/kexec_load_limit_{reboot,panic}: loads left, -1 for no limit; null where the
   * kernel is older than 6.3. */
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

/** @param state a sentence without its full stop */
function lockedDown(call: KexecCall, state: string): string {
  switch (call) {
    case "kexec_load":
      return `${state}: it loads signed images only.\nTry -s: kexec_load passes no signature.`;
    case "unload":
      return `${state}: only kexec_file_load may unload.\nTry -s -u.`;
    default:
      return `${state}.\n${SIGNATURE}`;
  }
}

/** The likely cause of EPERM where no readable file explains it, and the unreadable files. */
function explainUnknown(
  call: KexecCall,
  { capabilities, lockdown, lockdownParameter, unreadable }: RefusalEvidence,
): string {
  if (lockdown === null && lockdownParameter !== null && lockdownParameter !== "none") {
    const parameter = `lockdown=${lockdownParameter}`;
    return lockedDown(
      call,
      `Most likely the kernel is locked down: it was booted with ${parameter}`,
    );
  }
  // SystemCallFilter= is a setting of systemd units. systemd-udevd has it, and so do the programs
  // that udev rules run.
  const who = "a container, SystemCallFilter= or an LSM (SELinux, IMA)";
  const denied =
    capabilities === null
      ? `CAP_SYS_BOOT may be missing, or ${who} denies kexec.`
      : `CAP_SYS_BOOT is held; ${who} likely denies kexec.`;
  return [denied, ...unreadable.slice(0, 2).map((file) => `Not known: ${file}`)].join("\n");
}

/** Finds which of EPERM's causes applies: no capability, the sysctls, lockdown, or another
 * check. */
function explainPermission(
  call: KexecCall,
  purpose: ImagePurpose,
  evidence: RefusalEvidence,
): string {
  const { capabilities, lockdown, loadDisabled, loadsLeft } = evidence;
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
  if (lockdown !== null && lockdown !== "none") {
    return lockedDown(call, `The kernel is locked down (${lockdown})`);
  }
  return explainUnknown(call, evidence);
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
function explainAccess(call: KexecCall): string {
  const policy = "The kernel's IMA policy (Secure Boot enables one) forbids";
  if (call === "kexec_load") {
    return `${policy} kexec_load, which passes no signature.\nTry -s with a signed kernel.`;
  }
  return call === "kexec_file_load" ? `${policy} this image.\n${SIGNATURE}` : explainForeign(call);
}

const INVALID_LOAD =
  "The kernel accepts at most 16 segments, in at most half of its memory; dmesg may say more.\n" +
  "--dry-run shows the segments.";
/** For EINVAL of a load. */
const INVALID_HINT: Readonly<Record<ImagePurpose, string>> = {
  normal: INVALID_LOAD,
  crash: INVALID_LOAD,
  "preserve-context":
    "Most likely this kernel was built without CONFIG_KEXEC_JUMP, which a jump back needs.",
  "live-update": INVALID_LOAD,
};

function explainInvalid(call: KexecCall, purpose: ImagePurpose): string {
  if (call === "exec") return "No image is loaded, or this kernel was built without kexec.";
  if (call === "unload" || call === "file-unload") return "This kernel does not know the flag.";
  return INVALID_HINT[purpose];
}

/** kexec_file_load looks for free memory itself. [linux kernel/kexec_file.c] */
function explainAddress(call: KexecCall, purpose: ImagePurpose): string {
  if (call === "kexec_file_load" && purpose !== "crash") {
    return "The kernel found no free memory for a segment of the image. Try -c.";
  }
  return ADDRESS_HINT[purpose];
}

/** What other numbers mean; most are of reading the files. [linux fs/kernel_read_file.c] */
const OF_THE_CALL: ReadonlyMap<number, string> = new Map([
  [Errno.EAGAIN, "The kernel lacked memory or a lock for it at this moment: try again."],
  [Errno.EINTR, "A signal interrupted it before anything was loaded: try again."],
  [Errno.E2BIG, "The image or its command line is larger than this kernel accepts."],
  [
    Errno.EFAULT,
    "The kernel could not read the image in this process's memory: most likely memory ran out.\n" +
      "Free some, or raise the limit of the control group (memory.max), and try again.\n" +
      "Or a file could not be read a second time: dmesg names the disk then.",
  ],
  [Errno.ETXTBSY, "Another process has the file open for writing: try again when it is done."],
  [Errno.EFBIG, "A file is larger than kexec_file_load accepts (4 GiB; 2 GiB in older kernels)."],
  [Errno.EIO, "The kernel could not read a file to its end: look into dmesg."],
  [Errno.EBADF, "The kernel was not given an open file: an LSM may have taken it away."],
  [Errno.EISDIR, "It is a directory."],
  [Errno.ENOEXEC, "The kernel does not know this kind of image."],
  [Errno.EOPNOTSUPP, "This kernel, or this machine (TDX), does not support it."],
  [Errno.ENOTSUPP, "This kernel, or this machine (TDX), does not support it."],
]);

/** Of an LSM, a seccomp filter or a file system: Linux's own kexec has no such number. */
function explainForeign(call: KexecCall): string {
  const name = { exec: "reboot", unload: "kexec_load", "file-unload": "kexec_file_load" } as const;
  const of = call === "kexec_load" || call === "kexec_file_load" ? call : name[call];
  return (
    `Linux's ${of} has no such error: an LSM, a seccomp filter or a file's file system gave it.\n` +
    "dmesg and the audit log may say which."
  );
}

/**
 * Why the call failed, and what to try.
 * @param look reads the machine; called at most once, and for EPERM only
 */
export function explainRefusal(
  errno: number,
  call: KexecCall,
  purpose: ImagePurpose,
  look: () => RefusalEvidence,
): string {
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
      return explainAddress(call, purpose);
    case Errno.EINVAL:
      return explainInvalid(call, purpose);
    default:
      return OF_SIGNATURES.get(errno) ?? OF_THE_CALL.get(errno) ?? explainForeign(call);
  }
}
