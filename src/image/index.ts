/** The image types. The order is behaviour: the first that matches is taken. [kexec-tools] */

import { beobootX86 } from "../arch/x86-64/image/beoboot-x86.ts";
import { bzImage } from "../arch/x86-64/image/bzimage.ts";
import { bzImage64 } from "../arch/x86-64/image/bzimage64.ts";
import { elfX86 } from "../arch/x86-64/image/elf-x86.ts";
import { elfX8664 } from "../arch/x86-64/image/elf-x86-64.ts";
import { multibootX86 } from "../arch/x86-64/image/multiboot-x86.ts";
import { multiboot2X86 } from "../arch/x86-64/image/multiboot2-x86.ts";
import { nbiX86 } from "../arch/x86-64/image/nbi-x86.ts";
import type { Architecture } from "../model/host-facts.ts";
import type { ImageType } from "../model/image-type.ts";
import { uki } from "./uki.ts";

const REGISTRY: readonly ImageType[] = [
  multiboot2X86,
  elfX8664,
  multibootX86,
  elfX86,
  bzImage64,
  bzImage,
  beobootX86,
  nbiX86,
  uki,
];

/** The types that `architecture` can boot, in probe order. */
export function imageTypes(architecture: Architecture): readonly ImageType[] {
  return REGISTRY.filter(({ architectures }) => architectures.includes(architecture));
}
