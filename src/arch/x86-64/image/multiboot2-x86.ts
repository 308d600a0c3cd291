/** multiboot2-x86: images with a multiboot2 header, entered in 32-bit mode; Xen is one.
 * [multiboot2] */

import { isPowerOfTwo } from "../../../core/address.ts";
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
  /** null: it runs only where its headers say. */
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

/** kexec-tools asks for an ELF file: of another one, a header that is not enough says nothing, and
 * another type may take it. @throws KexecError `image.*` */
function readOrNot(image: Uint8Array, offset: number): Multiboot2Image | string {
  const notElf = whyNoElf(image);
  if (notElf === null) return read(image, offset, null);
  try {
    return read(image, offset, `no ELF executable: ${notElf}`);
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
      message: `the relocatable tag makes no sense: ${min_addr} to ${max_addr} by ${align}`,
    });
  }
  return {
    alignment,
    min: BigInt(min_addr),
    max: BigInt(max_addr) + 1n,
    from: preference === PREFER_HIGHEST ? "top" : "bottom",
  };
}

/** What was asked for is given if it is known. The specification has a loader refuse where it is
 * not; kexec-tools goes on, and images that it loads should load. */
function notTold({ requests }: Multiboot2Header, told: readonly number[]): string[] {
  const missing = requests.filter((type) => !told.includes(type));
  if (missing.length === 0) return [];
  return [`The image asks for multiboot2 tags that it is not given: ${missing.join(", ")}.`];
}

function draft(context: PlanContext, { header, elf, move }: Multiboot2Image): DraftPlan {
  const preference = header.relocatable?.preference;
  const image = placeElf(context, elf, {
    move,
    preferOwn: preference !== PREFER_LOWEST && preference !== PREFER_HIGHEST,
    whole: false,
  });
  if (image.segments.some(({ start, size }) => start + size > MULTIBOOT_END)) {
    failImage({ code: "image.multiboot-header", message: "the image lies above 4 GiB" });
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
      whyNotByFile: "kexec_file_load takes no multiboot2 images",
      purgatory: purgatoryPlace(32),
      draft: (context) => draft(context, image),
    };
  },
};
