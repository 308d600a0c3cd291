/** Checks before a load that the running kernel has the memory for it: where it has not, it does
 * not refuse the load but kills processes, this one among the first. */

import { humanSize } from "../../core/address.ts";
import { ExitStatus, fail } from "../../core/error.ts";
import { AVAILABLE_FROM } from "../../facts/meminfo.ts";
import type { LoadPlan } from "../../model/load-plan.ts";
import type { LinuxHost } from "./host.ts";
import { linuxPurpose } from "./purposes.ts";

/**
 * The memory that the running kernel allocates for `plan`, in bytes. kexec_load copies the segments
 * into pages of its own, except those of a crash kernel, whose memory is reserved. kexec_file_load
 * also reads the files into buffers, which it frees at the end.
 * [linux kernel/kexec_core.c kimage_load_segment; kernel/kexec_file.c]
 */
function memoryNeeded(plan: LoadPlan): bigint {
  const { copied } = linuxPurpose(plan.purpose);
  if (plan.kind === "segments") {
    return copied ? plan.segments.reduce((sum, { size }) => sum + size, 0n) : 0n;
  }
  const files = plan.kernel.size + (plan.initrd?.size ?? 0n);
  return copied ? 2n * files : files;
}

/** @throws KexecError `host.memory` where more memory is needed than is available */
export function checkMemory(plan: LoadPlan, { availableMemory }: LinuxHost): void {
  const available = availableMemory();
  const needed = memoryNeeded(plan);
  if (available === null || needed <= available) return;
  const call = plan.kind === "segments" ? "kexec_load" : "kexec_file_load";
  fail({
    code: "host.memory",
    message: `Cannot load: ${call} needs ${humanSize(needed)} of memory, ${humanSize(available)} are available`,
    hint:
      `Available is ${AVAILABLE_FROM}.\n` +
      "Stop programs, empty file systems in memory (tmpfs), add swap, or load a smaller initrd.",
    exitStatus: ExitStatus.failed,
  });
}
