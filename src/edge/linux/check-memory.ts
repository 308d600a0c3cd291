/** Checks before a load that the running kernel has the memory for it. */

import { rangeOf, totalSize } from "../../core/range.ts";
import type { LoadPlan } from "../../model/load-plan.ts";
import { checkAvailable } from "../files/available-memory.ts";
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
    return copied ? totalSize(plan.segments.map(rangeOf)) : 0n;
  }
  const files = plan.kernel.size + (plan.initrd?.size ?? 0n);
  return copied ? 2n * files : files;
}

/** @throws KexecError `host.memory` where `plan` needs more memory than is available */
export function checkMemory(plan: LoadPlan, { availableMemory }: LinuxHost): void {
  const call = plan.kind === "segments" ? "kexec_load" : "kexec_file_load";
  checkAvailable(`${call} cannot load this`, memoryNeeded(plan), availableMemory());
}
