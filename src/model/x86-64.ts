/** The types that only x86_64 needs. */

import type { DisplayFacts, FramebufferFacts } from "./display.ts";

/** Length of `X86Facts.bootParams`, in bytes. [linux arch/x86/include/uapi/asm/bootparam.h] */
export const BOOT_PARAMS_SIZE = 4096;

/** A directory /sys/firmware/edd/int13_devXX. [linux include/uapi/linux/edd.h] */
export interface EddDevice {
  /** BIOS drive number, e.g. 0x80. */
  readonly device: number;
  readonly version: number;
  /** Bit mask of EDD_EXT_*. */
  readonly interfaceSupport: number;
  readonly legacyMaxCylinder: number;
  readonly legacyMaxHead: number;
  readonly legacySectorsPerTrack: number;
  /** raw_data; empty where the BIOS provided none. */
  readonly rawData: Uint8Array;
  readonly mbrSignature: number | null;
}

/** What only Linux on x86_64 reports. */
export interface X86Facts {
  /** boot_params of the running kernel, `BOOT_PARAMS_SIZE` bytes; null where it is unreadable. */
  readonly bootParams: Uint8Array | null;
  /** Sorted by drive number; empty where EDD is missing or damaged. */
  readonly edd: readonly EddDevice[];
  /** null where there is no /dev/fb0. */
  readonly framebuffer: FramebufferFacts | null;
  /** null in facts files of earlier versions, which did not read it. */
  readonly display: DisplayFacts | null;
  /** Whether the running kernel uses 5-level page tables; null where it does not say, and in facts
   * files from before it was looked at. */
  readonly fiveLevelPaging: boolean | null;
  /** Bits of a virtual address that the processors support; null as for `fiveLevelPaging`. */
  readonly virtualBits: number | null;
  /** Whether memory is encrypted, by SME or because this is a confidential guest; null as for
   * `fiveLevelPaging`. */
  readonly encryptedMemory: boolean | null;
}

/** The facts of a machine that reports none of them. */
export const NO_X86_FACTS: X86Facts = {
  bootParams: null,
  edd: [],
  framebuffer: null,
  display: null,
  fiveLevelPaging: null,
  virtualBits: null,
  encryptedMemory: null,
};
