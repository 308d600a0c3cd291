/** The purposes for which images are loaded. */

/** Linux and Xen keep one image for "normal" and one for "crash". */
export const IMAGE_PURPOSES = ["normal", "crash", "preserve-context", "live-update"] as const;
export type ImagePurpose = (typeof IMAGE_PURPOSES)[number];

/** The properties of a purpose on which an image's draft depends. */
export interface PurposeTraits {
  /** The image is a crash kernel: it must stay inside the memory that is reserved for it. */
  readonly capture: boolean;
  /** Nothing of the running system must stay in memory, so that the image may also use the
   * firmware's areas. false for a crash kernel, for a preserved kernel, and for a hypervisor with
   * guests. */
  readonly ownsMachine: boolean;
}
