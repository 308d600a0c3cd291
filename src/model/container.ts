/** Files in which a kernel comes together with its initrd and its command line. They are extracted
 * before a plan is made, and what is inside is loaded. */

import type { ImageType } from "./image-type.ts";

export interface ContainerParts {
  readonly kernel: Uint8Array;
  /** null: there is none. */
  readonly initrd: Uint8Array | null;
  /** A byte string; null: there is none. */
  readonly commandLine: string | null;
  /** null: there is none. */
  readonly deviceTree: Uint8Array | null;
  /** One sentence for each part, and for what is left out. */
  readonly notes: readonly string[];
}

export interface Container {
  readonly type: ImageType;
  /** Why a file is none; null: it is one. */
  whyNot(file: Uint8Array): string | null;
  /** What is in a file that is one. @throws KexecError `image.*`, `struct.truncated` */
  read(file: Uint8Array): ContainerParts;
}
