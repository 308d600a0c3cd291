/** Files with a kernel, its initrd and its command line. Their parts are extracted before a plan is
 * made, and the plan loads the parts. */

import type { ImageType } from "./image-type.ts";

export interface ContainerParts {
  readonly kernel: Uint8Array;
  /** null: there is none. */
  readonly initrd: Uint8Array | null;
  /** A byte string; null: there is none. */
  readonly commandLine: string | null;
  /** null: there is none. */
  readonly deviceTree: Uint8Array | null;
  /** Sentences on the parts, and on those that are not loaded. */
  readonly notes: readonly string[];
}

export interface Container {
  readonly type: ImageType;
  /** Why a file is not such a container; null: it is one. */
  whyNot(file: Uint8Array): string | null;
  /** The parts of a file for which `whyNot` is null. @throws KexecError `image.*`,
   *   `struct.truncated` */
  read(file: Uint8Array): ContainerParts;
}
