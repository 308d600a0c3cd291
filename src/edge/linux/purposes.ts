/** Linux' own numbers and names, by what an image is loaded for. */

import type { KexecState } from "../../model/host-facts.ts";
import type { ImagePurpose } from "../../model/purpose.ts";

/** [linux include/uapi/linux/kexec.h] */
const KEXEC_ON_CRASH = 0x1;
const KEXEC_PRESERVE_CONTEXT = 0x2;
const KEXEC_FILE_ON_CRASH = 0x2;

export interface LinuxPurpose {
  /** In the flags of kexec_load and of kexec_file_load, to load and to unload. */
  readonly loadFlag: number;
  readonly fileFlag: number;
  /** Whether one is loaded. Linux keeps a crash image, and one of all others. */
  readonly loaded: keyof Pick<KexecState, "loaded" | "crashLoaded">;
  /** The sysctl of loads that are left: kernel.kexec_load_limit_NAME.
   * [linux kernel/kexec_core.c kexec_core_sysctls] */
  readonly limit: "reboot" | "panic";
}

const IMAGE = { loaded: "loaded", limit: "reboot" } as const;

/** null: Linux has no such purpose. */
export const LINUX_PURPOSES: Readonly<Record<ImagePurpose, LinuxPurpose | null>> = {
  normal: { loadFlag: 0, fileFlag: 0, ...IMAGE },
  crash: {
    loadFlag: KEXEC_ON_CRASH,
    fileFlag: KEXEC_FILE_ON_CRASH,
    loaded: "crashLoaded",
    limit: "panic",
  },
  "preserve-context": { loadFlag: KEXEC_PRESERVE_CONTEXT, fileFlag: 0, ...IMAGE },
  "live-update": null,
};

/** @throws RangeError for a purpose that Linux does not have, and that is refused before */
export function linuxPurpose(purpose: ImagePurpose): LinuxPurpose {
  const found = LINUX_PURPOSES[purpose];
  if (found === null) throw new RangeError(`Linux has no images for ${purpose}`);
  return found;
}
