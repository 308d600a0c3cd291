/** kexec_load(2): passes the plan's segments and their physical addresses to the running kernel. */

import { EM_AARCH64, EM_X86_64 } from "../../core/elf.ts";
import { ExitStatus, fail } from "../../core/error.ts";
import type { Architecture } from "../../model/architecture.ts";
import type { HostProbe, LoadOutcome } from "../../model/backend.ts";
import type { SegmentPlan } from "../../model/load-plan.ts";
import type { ImagePurpose } from "../../model/purpose.ts";
import { failedLoad } from "../failed-load.ts";
import { Errno } from "../ffi/errno.ts";
import { type LinuxHost, probed } from "./host.ts";
import { linuxPurpose } from "./purposes.ts";

/** [linux include/uapi/linux/kexec.h] */
const KEXEC_DEBUG = 0x10;
/** The flag that lets the kernel update the crash image on CPU and memory hotplug:
 * KEXEC_UPDATE_ELFCOREHDR on x86_64, where elfcorehdr alone needs it, else
 * KEXEC_CRASH_HOTPLUG_SUPPORT. */
const KEXEC_HOTPLUG: Readonly<Record<Architecture, number>> = { x86_64: 0x4, arm64: 0x8 };

/** ELF machine numbers, in the upper 16 bits of the flags. */
const KEXEC_ARCH: Readonly<Record<Architecture, number>> = {
  x86_64: EM_X86_64 << 16,
  arm64: EM_AARCH64 << 16,
};

/**
 * Loads `plan`. Where the kernel does not know KEXEC_DEBUG, it repeats the call without it.
 * @throws KexecError `kernel.kexec_load` with kexec-tools' text where the call fails
 */
export function loadSegments(plan: SegmentPlan, host: LinuxHost): LoadOutcome {
  const { calls } = host;
  const memory = plan.segments.map(({ bytes }) => bytes);
  const segments = plan.segments.map(({ bytes, start, size }) => ({
    buf: calls.addressOf(bytes),
    bufsz: BigInt(bytes.length),
    mem: start,
    memsz: size,
  }));
  const hotplug = plan.hotplug ? KEXEC_HOTPLUG[plan.architecture] : 0;
  const wanted = KEXEC_ARCH[plan.architecture] | linuxPurpose(plan.purpose).loadFlag | hotplug;
  const call = (flags: number): number => calls.kexecLoad(plan.entry, segments, memory, flags);

  // Kernels before 6.19 do not know KEXEC_DEBUG and reject the whole call. The flag only makes the
  // kernel print messages, so the load is repeated without it.
  let flags = plan.debug ? wanted | KEXEC_DEBUG : wanted;
  let status = call(flags);
  if (status === -Errno.EINVAL && flags !== wanted) {
    flags = wanted;
    status = call(flags);
  }
  if (status === 0) return { kind: "loaded" };
  return fail({
    code: "kernel.kexec_load",
    message: failedLoad(calls.strerror(-status), plan.entry, flags, segments),
    hint: host.explain(-status, "kexec_load", plan.purpose),
    exitStatus: ExitStatus.failed,
  });
}

/**
 * Loads one segment without bytes or memory: the preserved kernel is still in memory, and `entry`
 * is the physical address where it continues. [kexec-tools]
 * @throws KexecError `kernel.jump-back`
 */
export function loadJumpBackHelper(entry: bigint, { calls, explain }: LinuxHost): void {
  const nothing = { buf: 0n, bufsz: 0n, mem: 0n, memsz: 0n };
  const status = calls.kexecLoad(entry, [nothing], [], linuxPurpose("preserve-context").loadFlag);
  if (status === 0) return;
  fail({
    code: "kernel.jump-back",
    message: `load jump back kernel failed: ${calls.strerror(-status)}`,
    hint: explain(-status, "kexec_load", "preserve-context"),
    exitStatus: ExitStatus.failed,
  });
}

/** One segment more than KEXEC_SEGMENT_MAX, and a flag that no kernel has defined: the call checks
 * privileges, and then fails with EINVAL before it reads a segment. */
const TOO_MANY = 17;
const UNKNOWN_FLAG = 0x8000;

/** Whether kexec_load works: it is called with arguments that it must reject. Loads nothing. */
export function probeSegments(host: LinuxHost): HostProbe {
  const { architecture, calls } = host;
  const none = { buf: 0n, bufsz: 0n, mem: 0n, memsz: 0n };
  const machine = architecture === null ? 0 : KEXEC_ARCH[architecture];
  const segments = Array.from({ length: TOO_MANY }, () => none);
  const errno = -calls.kexecLoad(0n, segments, [], machine | UNKNOWN_FLAG);
  return probed(host, "segments", "kexec_load", errno);
}

/** Unloads the image of `purpose`; succeeds also where none is loaded.
 * @throws KexecError `kernel.unload` */
export function unloadSegments(purpose: ImagePurpose, host: LinuxHost): void {
  const { architecture, calls } = host;
  const machine = architecture === null ? 0 : KEXEC_ARCH[architecture];
  const status = calls.kexecLoad(0n, [], [], machine | linuxPurpose(purpose).loadFlag);
  if (status === 0) return;
  fail({
    code: "kernel.unload",
    message: `kexec unload failed: ${calls.strerror(-status)}`,
    hint: host.explain(-status, "unload", purpose),
    exitStatus: ExitStatus.failed,
  });
}
