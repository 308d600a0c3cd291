/** The image types. The order is behaviour: the first that matches is taken. [kexec-tools] */

import type { Architecture } from "../model/host-facts.ts";
import type { ImageType } from "../model/image-type.ts";
import { bzImage64 } from "./bzimage64.ts";

const REGISTRY: readonly ImageType[] = [bzImage64];

/** The types that `architecture` can boot, in probe order. */
export function imageTypes(architecture: Architecture): readonly ImageType[] {
  return REGISTRY.filter(({ architectures }) => architectures.includes(architecture));
}
