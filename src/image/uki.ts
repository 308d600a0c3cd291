/**
 * uki: a unified kernel image, an EFI program with a kernel, its initrd and its command line in
 * sections. It is taken apart before a plan is made, and what is inside is loaded.
 *
 * It does not do device trees, profiles and add-ons. [uapi uki]
 */

import { textUntilNul } from "../core/bytes.ts";
import { fail } from "../core/error.ts";
import type { ImageType, Probe } from "../model/image-type.ts";
import { LINUX_OPTIONS } from "./linux-options.ts";
import { hasPeSection, peSections } from "./pe-sections.ts";

const KERNEL_SECTION = ".linux";
/** Archives in one initrd begin at multiples of this. [linux early-userspace buffer-format] */
const CPIO_ALIGNMENT = 4;

export interface UkiParts {
  readonly kernel: Uint8Array;
  /** Microcode first, as the stub has it; null: there is none. */
  readonly initrd: Uint8Array | null;
  /** A byte string; null: there is none. */
  readonly commandLine: string | null;
  /** One sentence for each part, and for what is left out. */
  readonly notes: readonly string[];
}

export const isUki = (image: Uint8Array): boolean => hasPeSection(image, KERNEL_SECTION);

/** Archives behind one another, each at a multiple of four. */
function joined(archives: readonly Uint8Array[]): Uint8Array | null {
  const [first] = archives;
  if (first === undefined) return null;
  if (archives.length === 1) return first;
  const sizes = archives.map(({ length }) => Math.ceil(length / CPIO_ALIGNMENT) * CPIO_ALIGNMENT);
  const all = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  archives.forEach((archive, i) => {
    all.set(archive, at);
    at += sizes[i] ?? 0;
  });
  return all;
}

/** Up to the first NUL, without the newline that an editor left. */
function commandLineOf(bytes: Uint8Array): string {
  return textUntilNul(bytes).trimEnd();
}

/**
 * What is in a file that `isUki` takes.
 * @throws KexecError `image.*`, `struct.truncated` where a section reaches beyond the file
 */
export function readUki(image: Uint8Array): UkiParts {
  const sections = peSections(image);
  const find = (name: string) => sections.find((section) => section.name === name)?.bytes;
  const kernel = find(KERNEL_SECTION);
  if (kernel === undefined) return fail({ code: "image.uki", message: "no section .linux" });
  const archives = [find(".ucode"), find(".initrd")].filter((one) => one !== undefined);
  const line = find(".cmdline");
  const shown = sections.filter(({ name }) => [".linux", ".ucode", ".initrd"].includes(name));
  return {
    kernel,
    initrd: joined(archives),
    commandLine: line === undefined ? null : commandLineOf(line),
    notes: [
      `uki: ${shown.map(({ name, bytes }) => `${name} ${bytes.length} bytes`).join(", ")}`,
      ...(find(".dtb") === undefined ? [] : ["its device tree (.dtb) is not passed on"]),
    ],
  };
}

function probe(image: Uint8Array): Probe {
  return isUki(image) ? { match: true } : { match: false, why: "no PE file with a section .linux" };
}

/** What is inside was taken out before; only another one inside that comes here. */
function refuse(): never {
  return fail({ code: "image.uki", message: "a unified kernel image inside another one" });
}

export const uki: ImageType = {
  name: "uki",
  architectures: ["x86_64"],
  options: LINUX_OPTIONS,
  probe,
  check: refuse,
  takesEfi: () => false,
  draft: refuse,
};
