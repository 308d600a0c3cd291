/** The order of the image types: which files more than one of them would take, and who does. */

import { expect, test } from "bun:test";
import { x86_64 } from "../../../../src/arch/x86-64/index.ts";
import { readImage } from "../../../../src/image/read-image.ts";
import type { ImageType } from "../../../../src/model/image-type.ts";
import { makeBzImage } from "../../../images/make-bzimage.ts";
import { makeElf } from "../../../images/make-elf.ts";
import { multiboot2Header, multibootElf, multibootHeader } from "../../../images/make-multiboot.ts";
import { makeBeoboot, makeNbi } from "../../../images/make-nbi.ts";
import { makeUki } from "../../../images/make-uki.ts";
import { vmlinuxParts } from "../../../images/make-vmlinux.ts";
import { orRefusal } from "../../../kexec-error.ts";
import { file, pattern } from "../../../plan/pieces.ts";
import { NO_LOADER } from "../../../plan/requests.ts";

const { imageTypes } = x86_64;
const KERNEL = makeBzImage();
const NBI = makeNbi({ entry: 0x07e0_0000, records: [{ address: 0x7e00, bytes: pattern(16) }] });

/** An ELF file with both headers. */
function bothMultiboots(): Uint8Array {
  const image = multibootElf(multiboot2Header([]));
  image.set(multibootHeader(0), 0x200);
  return image;
}

/** Whether `type` says that the file is its own, be it whole or broken. */
function claims(type: ImageType, bytes: Uint8Array): boolean {
  const answer = orRefusal(() => type.parse(bytes, NO_LOADER));
  return !("match" in answer) || answer.match;
}

test.each<[string, Uint8Array, readonly string[]]>([
  ["a 64-bit kernel", KERNEL, ["bzImage64", "bzImage"]],
  ["a 32-bit kernel", makeBzImage({ xloadflags: 0 }), ["bzImage"]],
  ["a 64-bit vmlinux", makeElf(vmlinuxParts()), ["elf-x86_64"]],
  ["a 32-bit vmlinux", makeElf(vmlinuxParts({ bits: 32 })), ["elf-x86"]],
  ["32-bit ELF with multiboot", multibootElf(multibootHeader(0)), ["multiboot-x86", "elf-x86"]],
  ["64-bit ELF with multiboot", multibootElf(multibootHeader(0), 64), ["elf-x86_64"]],
  [
    "64-bit ELF with multiboot2",
    multibootElf(multiboot2Header([]), 64),
    ["multiboot2-x86", "elf-x86_64"],
  ],
  [
    "32-bit ELF with both multiboots",
    bothMultiboots(),
    ["multiboot2-x86", "multiboot-x86", "elf-x86"],
  ],
  ["a network boot image", NBI, ["nbi-x86"]],
  ["a beoboot image", makeBeoboot({ kernel: KERNEL }), ["beoboot-x86"]],
  ["a unified kernel image", makeUki({ ".linux": KERNEL }), ["uki"]],
  ["nothing known", pattern(0x9000), []],
])("%s", (_, bytes, names) => {
  const takers = imageTypes.filter((type) => claims(type, bytes));
  expect(takers.map(({ name }) => name)).toEqual([...names]);
});

test("the first that takes a file reads it", () => {
  const image = (bytes: Uint8Array) =>
    readImage(imageTypes, file("k", bytes), null, NO_LOADER).type;
  expect([KERNEL, bothMultiboots()].map(image)).toEqual(["bzImage64", "multiboot2-x86"]);
});

test("the types are kexec-tools', in its order", () => {
  // [kexec-tools kexec/arch/x86_64/kexec-x86_64.c file_type]
  expect(imageTypes.map(({ name }) => name)).toEqual([
    ...["multiboot2-x86", "elf-x86_64", "multiboot-x86", "elf-x86"],
    ...["bzImage64", "bzImage", "beoboot-x86", "nbi-x86", "uki"],
  ]);
});
