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
  /** The value of lockdown= on the kernel's command line; null: none, or not known. */
  readonly lockdownParameter: string | null;
  /** Files among these that cannot be read, each with the reason. */
  readonly unreadable: readonly string[];
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

/** @param state a sentence without its full stop */
function lockedDown(call: KexecCall, state: string): string {
  switch (call) {
    case "kexec_load":
      return `${state}: it takes signed images only.\nTry -s: kexec_load has no signatures.`;
    case "unload":
      return `${state}: it unloads by kexec_file_load only.\nTry -s -u.`;
    default:
      return `${state}.\n${SIGNATURE}`;
  }
}

/** Where nothing that can be read explains EPERM: what may, and what could not be read. */
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
  // SystemCallFilter= is of systemd's units; udevd has it, and so has what its rules run.
  const who = "a container, SystemCallFilter= or an LSM (SELinux, IMA)";
  const denied =
    capabilities === null
      ? `CAP_SYS_BOOT may be missing, or ${who} denies it.`
      : `CAP_SYS_BOOT is held; ${who} probably denies it.`;
  return [denied, ...unreadable.slice(0, 2).map((file) => `Not known: ${file}`)].join("\n");
}

/** EPERM has four causes, and the kernel does not say which. */
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
    return `kernel.kexec_load_limit_${limit} is 0: no load is left until the next boot.`;
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
function explainAccess(call: KexecCall): string {
  const policy = "The kernel's IMA policy (Secure Boot brings one) refuses";
  if (call === "kexec_load") {
    return `${policy} kexec_load, which has no signatures.\nTry -s, with a kernel that is signed.`;
  }
  return call === "kexec_file_load" ? `${policy} this image.\n${SIGNATURE}` : explainForeign(call);
}

function explainInvalid(call: KexecCall, purpose: ImagePurpose): string {
  if (call === "exec") return "No image is loaded, or this kernel has no kexec.";
  if (call === "unload" || call === "file-unload") return "This kernel does not know such a flag.";
  if (purpose === "preserve-context") {
    return "Most likely this kernel cannot be returned to: it was built without CONFIG_KEXEC_JUMP.";
  }
  return (
    "The kernel takes at most 16 segments, and half of its memory; dmesg may say more.\n" +
    "Try --dry-run, which shows the segments."
  );
}

/** kexec_file_load looks for free memory itself. [linux kernel/kexec_file.c] */
function explainAddress(call: KexecCall, purpose: ImagePurpose): string {
  if (call === "kexec_file_load" && purpose !== "crash") {
    return "The kernel found no free memory for a part of the image. Try -c.";
  }
  return ADDRESS_HINT[purpose];
}

/** What other numbers mean; most are of reading the files. [linux fs/kernel_read_file.c] */
const OF_THE_CALL: ReadonlyMap<number, string> = new Map([
  [Errno.EAGAIN, "The kernel lacked memory or a lock for it at this moment: try again."],
  [Errno.EINTR, "A signal interrupted it before anything was loaded: try again."],
  [Errno.E2BIG, "The image or its command line is larger than this kernel takes."],
  [
    Errno.EFAULT,
    "The kernel could not read the image in this process's memory: most likely memory ran out.\n" +
      "Free some, or raise the limit of the control group (memory.max), and try again.",
  ],
  [Errno.ETXTBSY, "Another process has the file open for writing: try again when it is done."],
  [Errno.EFBIG, "A file is larger than kexec_file_load takes (4 GiB; 2 GiB in older kernels)."],
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
      return "Another kexec load is under way, or a crash dump is being set up: try again.";
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
