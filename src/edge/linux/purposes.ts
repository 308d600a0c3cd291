/** Linux's flags and names for each purpose of an image. */

import type { KexecState } from "../../model/host-facts.ts";
import type { ImagePurpose } from "../../model/purpose.ts";

/** [linux include/uapi/linux/kexec.h] */
const KEXEC_ON_CRASH = 0x1;
const KEXEC_PRESERVE_CONTEXT = 0x2;
const KEXEC_FILE_ON_CRASH = 0x2;

export interface LinuxPurpose {
  /** The flag of kexec_load, to load and to unload. */
  readonly loadFlag: number;
  /** The flag of kexec_file_load, to load and to unload. */
  readonly fileFlag: number;
  /** Whether the running kernel copies the segments into pages that it allocates; false: into
   * memory that was reserved at boot. */
  readonly copied: boolean;
  /** The fact that says whether an image is loaded. Linux keeps one crash image, and one image for
   * all other purposes. */
  readonly loaded: keyof Pick<KexecState, "loaded" | "crashLoaded">;
  /** The NAME of the sysctl that limits loads: kernel.kexec_load_limit_NAME.
   * [linux kernel/kexec_core.c kexec_core_sysctls] */
  readonly limit: "reboot" | "panic";
}

const IMAGE = { loaded: "loaded", limit: "reboot", copied: true } as const;

/** null: Linux has no images for this purpose. */
export const LINUX_PURPOSES: Readonly<Record<ImagePurpose, LinuxPurpose | null>> = {
  normal: { loadFlag: 0, fileFlag: 0, ...IMAGE },
  crash: {
    loadFlag: KEXEC_ON_CRASH,
    fileFlag: KEXEC_FILE_ON_CRASH,
    copied: false,
    loaded: "crashLoaded",
    limit: "panic",
  },
  "preserve-context": { loadFlag: KEXEC_PRESERVE_CONTEXT, fileFlag: 0, ...IMAGE },
  "live-update": null,
};

/** The flags and names for `purpose`. @throws RangeError for `live-update`, which `checkSupported`
 * of the backend rejects before */
export function linuxPurpose(purpose: ImagePurpose): LinuxPurpose {
  const found = LINUX_PURPOSES[purpose];
  if (found === null) throw new RangeError(`Linux has no images for ${purpose}`);
  return found;
}
