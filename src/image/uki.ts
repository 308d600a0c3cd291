/**
 * uki: a unified kernel image, an EFI program with a kernel, its initrd and its command line in
 * sections.
 *
 * Of several profiles the first is loaded, as by systemd's stub. Add-ons, and device trees that are
 * chosen by the machine (.dtbauto), are not supported. [uapi uki]
 */

import { humanSize } from "../core/address.ts";
import { textUntilNul } from "../core/bytes.ts";
import { fail } from "../core/error.ts";
import type { Container, ContainerParts } from "../model/container.ts";
import { containerType } from "./container.ts";
import { LINUX_OPTIONS } from "./linux-options.ts";
import { isPe, type PeSection, peSections, wholeSection, whyNoPeSection } from "./pe-sections.ts";

const KERNEL_SECTION = ".linux";
/** Begins a profile, which ends where the next begins. */
const PROFILE_SECTION = ".profile";
/** The sections that are extracted and listed in the notes. */
const USED = [".linux", ".ucode", ".initrd", ".dtb"];
/** Archives in one initrd begin at multiples of this. [linux early-userspace buffer-format] */
const CPIO_ALIGNMENT = 4;
const BLANKS = " \t\n\v\f\r";

/** The archives concatenated, each at a multiple of four bytes; null: there are none. */
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

/** The text up to the first NUL, without the newline and other blanks at its end. Only ASCII blanks
 * are removed: the text is bytes, and 0xa0 may be part of a UTF-8 character. */
function commandLineOf(bytes: Uint8Array): string {
  const line = textUntilNul(bytes);
  let end = line.length;
  while (end > 0 && BLANKS.includes(line.charAt(end - 1))) end -= 1;
  return line.slice(0, end);
}

/** The sections of the first profile, followed by those before it, which all profiles share. */
function inFirstProfile(sections: readonly PeSection[]): PeSection[] {
  const starts = sections.flatMap(({ name }, i) => (name === PROFILE_SECTION ? [i] : []));
  const [first = sections.length, second = sections.length] = starts;
  return [...sections.slice(first, second), ...sections.slice(0, first)];
}

function notesOf(sections: readonly PeSection[], used: readonly (PeSection | undefined)[]) {
  const shown = used.filter((one) => one !== undefined);
  const profiles = sections.filter(({ name }) => name === PROFILE_SECTION).length;
  const choices = sections.some(({ name }) => name === ".dtbauto");
  return [
    `uki: ${shown.map(({ name, bytes }) => `${name} ${humanSize(bytes.length)}`).join(", ")}`,
    ...(profiles > 1 ? [`the first of its ${profiles} profiles is loaded`] : []),
    ...(choices ? ["its .dtbauto device trees are not passed on"] : []),
  ];
}

function kernelOf(counting: readonly PeSection[], all: readonly PeSection[]): Uint8Array {
  const isKernel = ({ name }: PeSection) => name === KERNEL_SECTION;
  const kernel = counting.find(isKernel);
  const bytes = kernel === undefined ? null : wholeSection(kernel);
  if (bytes !== null && bytes.length > 0) return bytes;
  const elsewhere = bytes === null && all.some(isKernel);
  return fail({
    code: "image.uki",
    message:
      bytes === null
        ? `no section ${KERNEL_SECTION}${elsewhere ? " in the first profile, only in others" : ""}`
        : `the section ${KERNEL_SECTION} is empty`,
  });
}

/** Extracts the parts. @throws KexecError `image.*` where the kernel or a section is incomplete */
function readUki(image: Uint8Array): ContainerParts {
  const sections = peSections(image);
  const counting = inFirstProfile(sections);
  const find = (wanted: string) => counting.find(({ name }) => name === wanted);
  const part = (wanted: string) => {
    const section = find(wanted);
    return section === undefined ? null : wholeSection(section);
  };
  const kernel = kernelOf(counting, sections);
  const archives = [part(".ucode"), part(".initrd")];
  const line = part(".cmdline");
  return {
    kernel,
    initrd: joined(archives.filter((one) => one !== null)),
    commandLine: line === null ? null : commandLineOf(line),
    deviceTree: part(".dtb"),
    notes: notesOf(sections, USED.map(find)),
  };
}

const whyNot = (image: Uint8Array): string | null => whyNoPeSection(image, KERNEL_SECTION);

export const uki: Container = {
  type: containerType("a unified kernel image", {
    ...{ name: "uki", options: LINUX_OPTIONS, mayBegin: isPe, whyNot },
  }),
  whyNot,
  read: readUki,
};
