/** multiboot2-x86: images with a multiboot2 header, entered in 32-bit mode; Xen is one.
 * [multiboot2] */

import { hex, isPowerOfTwo } from "../../../core/address.ts";
import { EM_386, EM_X86_64 } from "../../../core/elf.ts";
import { failImage, KexecError } from "../../../core/error.ts";
import { type ElfImage, readElf, whyNotElf, withEntry } from "../../../image/elf-image.ts";
import { type ElfMove, placeElf } from "../../../image/place-elf.ts";
import {
  type DraftPlan,
  type ImageType,
  notMine,
  type PlanContext,
} from "../../../model/image-type.ts";
import {
  acpiRoom,
  MULTIBOOT2_BOOTLOADER_MAGIC,
  multiboot2Info,
  multiboot2TagTypes,
} from "../handoff/multiboot2-info.ts";
import { purgatoryPlace } from "../layout.ts";
import { addressImage } from "./address-image.ts";
import {
  findMultiboot2Header,
  type Multiboot2Header,
  readMultiboot2Header,
} from "./multiboot2-header.ts";
import { lowRootPointer, placeBios } from "./place-bios.ts";
import {
  MULTIBOOT_END,
  MULTIBOOT_OPTIONS,
  multibootContent,
  placeInfo,
  placeModules,
} from "./place-multiboot.ts";

const MACHINES = [EM_386, EM_X86_64];
/** `preference` of the relocatable tag. */
const PREFER_LOWEST = 1;
const PREFER_HIGHEST = 2;

interface Multiboot2Image {
  readonly header: Multiboot2Header;
  readonly elf: ElfImage;
  /** null: it runs only at the addresses in its headers. */
  readonly move: ElfMove | null;
}

/** The image in a file whose header says what of it goes where. @throws ImageError */
function readByAddresses(image: Uint8Array, header: Multiboot2Header, why: string): ElfImage {
  const { offset, address, entry } = header;
  const fail = (message: string) => failImage({ code: "image.multiboot-header", message });
  if (address === null) return fail(`the header has no address tag, and the file is ${why}`);
  if (entry === null) return fail("the header has an address tag and no entry address tag");
  return addressImage(image, offset, address, entry);
}

/** @throws KexecError `image.*` */
function read(image: Uint8Array, offset: number, notElf: string | null): Multiboot2Image {
  const header = readMultiboot2Header(image, offset);
  const move = moveOf(header);
  const { address, entry } = header;
  if (address !== null || notElf !== null) {
    return { header, elf: readByAddresses(image, header, notElf ?? "an ELF executable"), move };
  }
  const own = readElf(image, whyNotElf(image, 32, MACHINES) === null ? 32 : 64);
  return { header, elf: entry === null ? own : withEntry(own, BigInt(entry)), move };
}

/** Why a file is no ELF executable of either size; null: it is one. */
const whyNoElf = (image: Uint8Array): string | null =>
  whyNotElf(image, 32, MACHINES) === null ? null : whyNotElf(image, 64, MACHINES);

/** The image, or why this type does not match. kexec-tools requires an ELF file: if the file is not
 * ELF and its multiboot2 header is unusable, other types are tried. @throws KexecError `image.*` */
function readOrNot(image: Uint8Array, offset: number): Multiboot2Image | string {
  const notElf = whyNoElf(image);
  if (notElf === null) return read(image, offset, null);
  try {
    return read(image, offset, `the file is not an ELF executable: ${notElf}`);
  } catch (error) {
    if (error instanceof KexecError) return error.message;
    throw error;
  }
}

/** @throws KexecError `image.multiboot-header` */
function moveOf({ relocatable }: Multiboot2Header): ElfMove | null {
  if (relocatable === null) return null;
  const { min_addr, max_addr, align, preference } = relocatable;
  const alignment = BigInt(align);
  if (!isPowerOfTwo(alignment) || max_addr < min_addr) {
    failImage({
      code: "image.multiboot-header",
      message:
        `the relocatable tag is invalid: min_addr ${hex(min_addr)}, max_addr ${hex(max_addr)}, ` +
        `align ${hex(align)}`,
    });
  }
  return {
    alignment,
    min: BigInt(min_addr),
    minFrom: `min_addr ${hex(min_addr)} of the image's relocatable tag`,
    max: BigInt(max_addr) + 1n,
    maxFrom: `max_addr ${hex(max_addr)} of the image's relocatable tag`,
    from: preference === PREFER_HIGHEST ? "top" : "bottom",
    aligned: "start",
  };
}

/** Whether the addresses in the image's headers are tried first: it has no preference, and these
 * addresses satisfy its relocatable tag. [multiboot2 §3.1.14] */
function prefersOwn({ header, elf: { loads }, move }: Multiboot2Image): boolean {
  if (move === null || header.relocatable === null) return true;
  const { preference } = header.relocatable;
  if (preference === PREFER_LOWEST || preference === PREFER_HIGHEST) return false;
  const start = loads[0]?.physical ?? 0n;
  const ends = loads.map(({ physical, memorySize }) => physical + memorySize);
  return start >= move.min && start % move.alignment === 0n && ends.every((end) => end <= move.max);
}

/** A note on requested tags that are not known. By the specification the loader must refuse such an
 * image; kexec-tools loads it, and so does onekexec. */
function notTold({ requests }: Multiboot2Header, told: readonly number[]): string[] {
  const missing = requests.filter((type) => !told.includes(type));
  if (missing.length === 0) return [];
  return [`The image requests multiboot2 tags that are not provided: ${missing.join(", ")}.`];
}

function draft(context: PlanContext, read: Multiboot2Image): DraftPlan {
  const { header, elf, move } = read;
  const image = placeElf(context, elf, { move, preferOwn: prefersOwn(read), whole: false });
  if (image.segments.some(({ start, size }) => start + size > MULTIBOOT_END)) {
    failImage({
      code: "image.multiboot-header",
      message: "the image lies above 4 GiB, which 32-bit code cannot reach",
    });
  }
  const { segments, modules } = placeModules(context);
  const { content, notes } = multibootContent(context, modules);
  const { segment: bios, notes: biosNotes } = placeBios(context, content.memory.lower);
  const acpi = lowRootPointer(context.facts) !== null;
  const loadBase = move === null ? null : image.start;
  const bytes = multiboot2Info({ ...content, loadBase, acpi });
  const { length } = bytes;
  const told = placeInfo(context, {
    length,
    make: () => bytes,
    acpi: acpi ? acpiRoom(length) : null,
    bios,
    entry: image.entry,
  });
  return {
    segments: [...image.segments, ...segments, told.segment, ...(bios === null ? [] : [bios])],
    entryState: {
      arch: "x86_64",
      mode: 32,
      rip: told.entry,
      rax: MULTIBOOT2_BOOTLOADER_MAGIC,
      rbx: told.segment.start,
    },
    commandLine: content.commandLine,
    notes: [...notes, ...biosNotes, ...notTold(header, multiboot2TagTypes(bytes))],
  };
}

export const multiboot2X86: ImageType = {
  name: "multiboot2-x86",
  options: MULTIBOOT_OPTIONS,
  mayBegin: (start) => findMultiboot2Header(start) !== null,
  parse(file) {
    const offset = findMultiboot2Header(file);
    if (offset === null) return notMine("no multiboot2 header in the first 32 KiB");
    const image = readOrNot(file, offset);
    if (typeof image === "string") return notMine(image);
    return {
      match: true,
      type: "multiboot2-x86",
      options: MULTIBOOT_OPTIONS,
      commandLineLimit: null,
      takesEfi: false,
      memorySize: BigInt(file.length),
      whyNotByFile: "kexec_file_load does not load multiboot2 images",
      purgatory: purgatoryPlace(32),
      draft: (context) => draft(context, image),
    };
  },
};
