/** Requests for tests of plans: `-c -l kernel` with what a test changes. */

import type { PlanInputs } from "../../src/model/image-type.ts";
import type { LoaderRequest, RunRequest } from "../../src/model/request.ts";

/** No option of a loader. */
export const NO_LOADER: LoaderRequest = {
  commandLine: null,
  reuseCommandLine: false,
  initrd: null,
  argumentStyle: null,
  modules: [],
  realMode: false,
  entry32Bit: false,
  dtb: null,
  given: [],
};

/** No file besides a kernel. */
export const NO_FILES: Omit<PlanInputs, "kernel"> = { initrd: null, modules: [], dtb: null };

export function loadRequest(changes: Partial<RunRequest> = {}): RunRequest {
  return {
    action: "run",
    steps: {
      status: false,
      unload: false,
      load: true,
      shutdown: false,
      sync: true,
      ifdown: false,
      exec: false,
      jumpBack: false,
    },
    purpose: "normal",
    method: "segments",
    kernel: "/boot/vmlinuz",
    type: null,
    loader: { ...NO_LOADER, commandLine: "root=/dev/vda1 quiet" },
    console: { resetVga: false, vga: false, serial: false, serialBase: 0x3f8, serialBaud: 0 },
    memMin: 0n,
    memMax: (1n << 64n) - 1n,
    skipChecks: false,
    debug: false,
    noEfi: false,
    reuseVideoType: false,
    noCma: false,
    forceDtb: false,
    entry: 0n,
    reuseInitrd: false,
    hotplug: false,
    passMemmapCmdline: false,
    xen: { library: null, direct: false },
    printCrashRegionSize: false,
    dryRun: null,
    doctor: null,
    facts: null,
    saveFacts: null,
    ...changes,
  };
}
