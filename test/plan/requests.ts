/** Requests for tests of plans: `-c -l kernel` with what a test changes. */

import type { RunRequest } from "../../src/model/request.ts";

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
    },
    purpose: "normal",
    method: "segments",
    kernel: "/boot/vmlinuz",
    type: null,
    loader: { commandLine: "root=/dev/vda1 quiet", reuseCommandLine: false, initrd: null },
    console: { resetVga: false, vga: false, serial: false, serialBase: 0x3f8, serialBaud: 0 },
    memMin: 0n,
    memMax: (1n << 64n) - 1n,
    skipChecks: false,
    debug: false,
    noEfi: false,
    reuseVideoType: false,
    noCma: false,
    forceDtb: false,
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
