/**
 * uki: a unified kernel image, an EFI program with a kernel, its initrd and its command line in
 * sections.
 *
 * It does not do device trees, profiles and add-ons. [uapi uki]
 */

import { textUntilNul } from "../core/bytes.ts";
import { fail } from "../core/error.ts";
import type { Probe } from "../model/image-type.ts";
import { type Container, type ContainerParts, containerType } from "./container.ts";
import { LINUX_OPTIONS } from "./linux-options.ts";
import { hasPeSection, peSections } from "./pe-sections.ts";

const KERNEL_SECTION = ".linux";
/** Archives in one initrd begin at multiples of this. [linux early-userspace buffer-format] */
const CPIO_ALIGNMENT = 4;

const isUki = (image: Uint8Array): boolean => hasPeSection(image, KERNEL_SECTION);

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

/** @throws KexecError `image.*`, `struct.truncated` where a section reaches beyond the file */
function readUki(image: Uint8Array): ContainerParts {
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

export const uki = containerType("a unified kernel image", {
  name: "uki",
  options: LINUX_OPTIONS,
  probe,
});

export const ukiContainer: Container = { type: uki, read: readUki };
