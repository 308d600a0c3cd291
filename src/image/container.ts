/** Files in which a kernel comes together with its initrd and its command line. They are taken
 * apart before a plan is made, and what is inside is loaded. */

import { fail } from "../core/error.ts";
import type { ImageType } from "../model/image-type.ts";

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
  /** What is in a file that `type` takes. @throws KexecError `image.*`, `struct.truncated` */
  read(image: Uint8Array): ContainerParts;
}

/** The image type of a container that people call `what`: it is for `-t` and for `-h`, since only a
 * container inside another one is left to it. */
export function containerType(
  what: string,
  { name, options, probe }: Pick<ImageType, "name" | "options" | "probe">,
): ImageType {
  const refuse = (): never =>
    fail({ code: `image.${name}`, message: `${what} inside another container` });
  return {
    ...{ name, options, probe, architectures: ["x86_64"] },
    ...{ check: refuse, takesEfi: () => false, draft: refuse },
  };
}
