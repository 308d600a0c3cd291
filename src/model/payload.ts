/** The compressed kernel in an image that unpacks itself when it starts, and the same kernel where
 * it is unpacked before that: what its image type says of it, and what a plan is made of. */

/** Random numbers, 64 bits each, for the two places of a kernel that are random. */
export interface RandomPlaces {
  readonly virtual: bigint;
  readonly physical: bigint;
}

export interface Payload {
  /** As they are in the image, compressed; for `wrapper/`. */
  readonly bytes: Uint8Array;
  /** How many bytes they expand to, as the image says. */
  readonly size: number;
  /** Whether the image chooses random addresses when it unpacks itself (KASLR). */
  readonly isRandomized: boolean;
  /**
   * Makes the kernel that the image would unpack.
   * @param expanded what `bytes` expand to; relocating the kernel changes them
   * @param random required where `isRandomized`, else it is not used
   * @throws ImageError `image.payload` for a kernel that is in any way unexpected
   */
  unpack(expanded: Uint8Array, random: RandomPlaces | null): UnpackedKernel;
}

/** A part of a kernel's memory: whole pages, and the bytes at their start. */
export interface KernelPart {
  /** From the kernel's first address, in bytes. */
  readonly offset: bigint;
  readonly size: bigint;
  readonly bytes: Uint8Array;
}

/** A kernel as it runs: expanded, and relocated to the virtual address that was chosen. */
export interface UnpackedKernel {
  /** All of the memory that is its own, the gaps between its parts included, in bytes. */
  readonly size: bigint;
  /** The alignment of its first address, in bytes. */
  readonly alignment: bigint;
  /** The lowest that its first address may be. */
  readonly min: bigint;
  /** Sorted by offset, disjoint. */
  readonly parts: readonly KernelPart[];
  /** The first instruction, from the kernel's first address. */
  readonly entry: bigint;
  /** For its physical address; null: the kernel is not randomized. */
  readonly random: bigint | null;
}
