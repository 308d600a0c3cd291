/** The Linux backend: the running kernel's kexec_file_load and kexec_load. */

import { ExitStatus, fail } from "../../core/error.ts";
import { LINUX_PLAN_KINDS } from "../../facts/linux-rules.ts";
import type { Backend } from "../../model/backend.ts";
import { kindsToTry } from "../../model/plan-kinds.ts";
import type { ImagePurpose } from "../../model/purpose.ts";
import type { LoadMethod } from "../../model/request.ts";
import { checkMemory } from "./check-memory.ts";
import type { LinuxHost } from "./host.ts";
import { loadFiles, probeFiles, unloadFiles } from "./load-files.ts";
import {
  loadJumpBackHelper,
  loadSegments,
  probeSegments,
  unloadSegments,
} from "./load-segments.ts";
import { LINUX_PURPOSES, linuxPurpose } from "./purposes.ts";

/** Unloads by kexec_file_load (`file`), kexec_load (`segments`), or the first that the kernel has.
 * @throws KexecError `kernel.unload`, `kernel.unsupported` */
function unload(purpose: ImagePurpose, method: LoadMethod, host: LinuxHost): void {
  if (method !== "segments" && unloadFiles(purpose, host)) return;
  if (method !== "file") {
    unloadSegments(purpose, host);
    return;
  }
  fail({
    code: "kernel.unsupported",
    message: "syscall kexec_file_load not available.",
    hint: "This kernel was built without CONFIG_KEXEC_FILE: try -c -u.",
    exitStatus: ExitStatus.fallback,
  });
}

/** Throws where a jump back is not possible: an image is loaded, or there is no entry point.
 * @param loaded whether an image is loaded; null, for unknown, counts as loaded [kexec-tools]
 * @param entry physical address; 0 where the user gave none */
function refuseJumpBack(loaded: boolean | null, entry: bigint): void {
  const { failed: exitStatus } = ExitStatus;
  if (loaded !== false) {
    fail({
      code: "kernel.jump-back",
      message: "There is kexec kernel loaded, make sure you are in kexeced kernel.",
      hint:
        loaded === null
          ? "/sys/kernel/kexec_loaded cannot be read: mount sysfs on /sys."
          : "If this is the kexeced kernel, unload the loaded image: kexec -c -u",
      exitStatus,
    });
  }
  if (entry === 0n) {
    fail({
      code: "kernel.jump-back",
      message: "Please specify jump back entry in command line",
      hint: "Give --entry=0xADDRESS, the value of kexec_jump_back_entry= in /proc/cmdline.",
      exitStatus,
    });
  }
}

/** The backend for Linux without Xen.
 * @param evidence the facts by which it was chosen, for `-d` */
export function linuxBackend(host: LinuxHost, evidence: readonly string[]): Backend {
  return {
    name: "linux",
    mapsFiles: true,
    evidence,
    probe: () => [probeFiles(host), probeSegments(host)],
    attempts: (method) => kindsToTry(method, LINUX_PLAN_KINDS),
    checkSupported(purpose, action) {
      if (LINUX_PURPOSES[purpose] !== null) return;
      const message =
        action === "load"
          ? "--load-live-update can only be used with xen"
          : "--exec-live-update only works under xen.";
      fail({ code: "host.live-update", message });
    },
    hostFacts: (linux) => linux,
    load(plan) {
      checkMemory(plan, host);
      return plan.kind === "file" ? loadFiles(plan, host) : loadSegments(plan, host);
    },
    unload: (purpose, method) => unload(purpose, method, host),
    loadedState(purpose) {
      return { loaded: host.readKexecState()[linuxPurpose(purpose).loaded], doubt: null };
    },
    exec() {
      const errno = -host.calls.rebootKexec();
      // The call returns 0 when the started kernel has jumped back. Unlike kexec-tools, this
      // program counts that as success.
      if (errno === 0) return;
      return fail({
        code: "kernel.exec",
        message: `kexec failed: ${host.calls.strerror(errno)}`,
        hint: host.explain(errno, "exec", "normal"),
        exitStatus: ExitStatus.failed,
      });
    },
    loadJumpBack(entry) {
      refuseJumpBack(host.readKexecState().loaded, entry);
      loadJumpBackHelper(entry, host);
    },
    close() {},
  };
}
