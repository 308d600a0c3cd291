/** What an image is loaded for. */

/** Xen and Linux both keep one image for each of the first two. */
export const IMAGE_PURPOSES = ["normal", "crash", "preserve-context", "live-update"] as const;
export type ImagePurpose = (typeof IMAGE_PURPOSES)[number];

/** What an image's own loader has to know of what the image is loaded for. */
export interface PurposeTraits {
  /** The image is a crash kernel: it must stay inside the memory that is reserved for it. */
  readonly capture: boolean;
  /** Nothing of the running system stays in memory, so that the firmware's areas are the image's. A
   * dump, a kernel to go back to, and a hypervisor's guests are what stays. */
  readonly ownsMachine: boolean;
}
