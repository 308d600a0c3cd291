/** kexec_file_load(2): the running kernel reads the files and places the segments itself. */

import { ExitStatus, fail } from "../../core/error.ts";
import type { Architecture } from "../../model/architecture.ts";
import type { HostProbe, LoadOutcome } from "../../model/backend.ts";
import type { FilePlan } from "../../model/load-plan.ts";
import type { ImagePurpose } from "../../model/purpose.ts";
import { Errno } from "../ffi/errno.ts";
import { cString } from "../ffi/pointer.ts";
import { type LinuxHost, probed } from "./host.ts";
import { linuxPurpose } from "./purposes.ts";

/** [linux include/uapi/linux/kexec.h] */
const KEXEC_FILE_UNLOAD = 0x1;
const KEXEC_FILE_NO_INITRAMFS = 0x4;
const KEXEC_FILE_DEBUG = 0x8;
const KEXEC_FILE_NO_CMA = 0x10;
const KEXEC_FILE_FORCE_DTB = 0x20;

const NO_FILE = -1;
/** A flag that no kernel has defined: the call checks privileges, and then fails with EINVAL. */
const UNKNOWN_FLAG = 0x40000000;

/** The flags without which the load would not be the one asked for. */
function requiredFlags(plan: FilePlan): number {
  return (
    linuxPurpose(plan.purpose).fileFlag |
    (plan.initrd === null ? KEXEC_FILE_NO_INITRAMFS : 0) |
    (plan.forceDtb ? KEXEC_FILE_FORCE_DTB : 0)
  );
}

/** The flags that are left out for an older kernel: without KEXEC_FILE_DEBUG it prints nothing, and
 * without KEXEC_FILE_NO_CMA it does not place segments in CMA either. */
function optionalFlags(plan: FilePlan): number {
  return (plan.debug ? KEXEC_FILE_DEBUG : 0) | (plan.noCma ? KEXEC_FILE_NO_CMA : 0);
}

/** What the call gets where no command line was given: x86 requires at least the NUL; on arm64 null
 * keeps the command line of the device tree. */
const NO_COMMAND_LINE: Readonly<Record<Architecture, Uint8Array | null>> = {
  x86_64: cString(""),
  arm64: null,
};

function commandLineBytes({ architecture, commandLine }: FilePlan): Uint8Array | null {
  return commandLine === null ? NO_COMMAND_LINE[architecture] : cString(commandLine);
}

/** Errors after which kexec_load may still work, with the likely cause of each. */
const UNSUPPORTED: ReadonlyMap<number, string> = new Map([
  [Errno.ENOSYS, "this kernel was built without CONFIG_KEXEC_FILE"],
  [Errno.EINVAL, "the kernel rejected the image, its command line, or a flag"],
  [Errno.ENOEXEC, "the kernel does not know this image type"],
  [Errno.EOPNOTSUPP, "the kernel does not support this type of image or signature"],
  [Errno.ENOTSUPP, "the kernel does not support this type of image or signature"],
]);

/**
 * Loads `plan`. Where the kernel rejects an optional flag, it repeats the call without them.
 * @returns `unsupported` for an error after which kexec_load may still work
 * @throws KexecError `kernel.kexec_file_load` with kexec-tools' text for other errors, such as a
 *   wrong signature, which kexec_load must not bypass
 */
export function loadFiles(plan: FilePlan, host: LinuxHost): LoadOutcome {
  const { calls } = host;
  const { kernel, initrd } = plan;
  const commandLine = commandLineBytes(plan);
  const call = (flags: number): number =>
    calls.kexecFileLoad(kernel.fd, initrd?.fd ?? NO_FILE, commandLine, flags);

  const required = requiredFlags(plan);
  const optional = optionalFlags(plan);
  let status = call(required | optional);
  if (status === -Errno.EINVAL && optional !== 0) status = call(required);
  if (status === 0) return { kind: "loaded" };

  const errno = -status;
  const meaning = UNSUPPORTED.get(errno);
  if (meaning !== undefined) {
    return {
      kind: "unsupported",
      why: `kexec_file_load: ${calls.strerror(errno)}: ${meaning}`,
    };
  }
  return fail({
    code: "kernel.kexec_file_load",
    message: `kexec_file_load failed: ${calls.strerror(errno)}`,
    hint: host.explain(errno, "kexec_file_load", plan.purpose),
    exitStatus: ExitStatus.failed,
  });
}

/** Whether kexec_file_load works: it is called with a flag that it must reject. Loads nothing. */
export function probeFiles(host: LinuxHost): HostProbe {
  const errno = -host.calls.kexecFileLoad(NO_FILE, NO_FILE, null, UNKNOWN_FLAG);
  return probed(host, "file", "kexec_file_load", errno);
}

/**
 * Unloads the image of `purpose`; succeeds also where none is loaded.
 * @returns false where this kernel has no kexec_file_load
 * @throws KexecError `kernel.unload`
 */
export function unloadFiles(purpose: ImagePurpose, host: LinuxHost): boolean {
  const { calls } = host;
  const flags = KEXEC_FILE_UNLOAD | linuxPurpose(purpose).fileFlag;
  const status = calls.kexecFileLoad(NO_FILE, NO_FILE, null, flags);
  if (status === 0) return true;
  if (status === -Errno.ENOSYS) return false;
  return fail({
    code: "kernel.unload",
    message: `kexec_file_load(unload) failed: ${calls.strerror(-status)}`,
    hint: host.explain(-status, "file-unload", purpose),
    exitStatus: ExitStatus.failed,
  });
}
