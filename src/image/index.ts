/** The image types. The order is behaviour: the first that matches is taken. [kexec-tools] */

import type { Architecture } from "../model/host-facts.ts";
import type { ImageType } from "../model/image-type.ts";
import { bzImage64 } from "./bzimage64.ts";
import { elfX86 } from "./elf-x86.ts";
import { elfX8664 } from "./elf-x86-64.ts";

const REGISTRY: readonly ImageType[] = [elfX8664, elfX86, bzImage64];

/** The types that `architecture` can boot, in probe order. */
export function imageTypes(architecture: Architecture): readonly ImageType[] {
  return REGISTRY.filter(({ architectures }) => architectures.includes(architecture));
}
