/** Requests for tests of plans: `-c -l kernel`, and a test's changes. */

import type { PlanInputs } from "../../src/model/image-type.ts";
import type { FilePlan, NotByFile } from "../../src/model/load-plan.ts";
import {
  LOAD_DEFAULTS,
  LOADER_DEFAULTS,
  type LoaderRequest,
  type LoadRequest,
} from "../../src/model/request.ts";

/** No option of a loader. */
export const NO_LOADER: LoaderRequest = LOADER_DEFAULTS;

/** No file besides a kernel. */
export const NO_FILES: Omit<PlanInputs, "kernel"> = { initrd: null, modules: [], dtb: null };

export function loadRequest(changes: Partial<LoadRequest> = {}): LoadRequest {
  return {
    ...LOAD_DEFAULTS,
    method: "segments",
    kernel: "/boot/vmlinuz",
    loader: { ...NO_LOADER, commandLine: "root=/dev/vda1 quiet" },
    ...changes,
  };
}

/** The plan; throws where kexec_file_load cannot load the image. */
export function planned(result: FilePlan | NotByFile): FilePlan {
  if ("notByFile" in result) throw new Error(result.notByFile);
  return result;
}
