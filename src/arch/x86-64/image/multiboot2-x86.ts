/** multiboot2-x86: images with a multiboot2 header, entered in 32-bit mode; Xen is one.
 * [multiboot2] */

import { isPowerOfTwo } from "../../../core/address.ts";
import { EM_386, EM_X86_64 } from "../../../core/elf.ts";
import { fail } from "../../../core/error.ts";
import { type ElfImage, probeElf, readElf } from "../../../image/elf-image.ts";
import { type ElfMove, placeElf } from "../../../image/place-elf.ts";
import type { DraftPlan, ImageType, PlanContext, Probe } from "../../../model/image-type.ts";
import {
  acpiRoom,
  MULTIBOOT2_BOOTLOADER_MAGIC,
  multiboot2Info,
  multiboot2TagTypes,
} from "../handoff/multiboot2-info.ts";
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

interface Parsed {
  readonly header: Multiboot2Header;
  readonly elf: ElfImage;
}

function probe(image: Uint8Array): Probe {
  const offset = findMultiboot2Header(image);
  if (offset === null) return { match: false, why: "no multiboot2 header in the first 32 KiB" };
  return { match: true };
}

/** @throws KexecError `image.*` */
function read(image: Uint8Array): Parsed {
  const offset = findMultiboot2Header(image);
  if (offset === null) {
    return fail({ code: "image.multiboot-header", message: "there is no multiboot2 header" });
  }
  const header = readMultiboot2Header(image, offset);
  const { address, entry } = header;
  if (address !== null) {
    if (entry !== null) return { header, elf: addressImage(image, offset, address, entry) };
    const message = "the header has an address tag and no entry address tag";
    return fail({ code: "image.multiboot-header", message });
  }
  const bits = probeElf(image, 32, MACHINES).match ? 32 : 64;
  const elf = probeElf(image, bits, MACHINES);
  if (!elf.match) {
    return fail({
      code: "image.multiboot-header",
      message: `the header has no address tag, and the file is no ELF executable: ${elf.why}`,
    });
  }
  const own = readElf(image, bits);
  return { header, elf: entry === null ? own : { ...own, entry: BigInt(entry) } };
}

function moveOf({ header: { relocatable } }: Parsed): ElfMove | null {
  if (relocatable === null) return null;
  const { min_addr, max_addr, align, preference } = relocatable;
  const alignment = BigInt(align);
  if (!isPowerOfTwo(alignment) || max_addr < min_addr) {
    fail({
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

function draft(context: PlanContext): DraftPlan {
  const parsed = read(context.inputs.kernel.bytes);
  const move = moveOf(parsed);
  const preference = parsed.header.relocatable?.preference;
  const image = placeElf(context, parsed.elf, {
    move,
    preferOwn: preference !== PREFER_LOWEST && preference !== PREFER_HIGHEST,
    whole: false,
  });
  if (image.segments.some(({ start, size }) => start + size > MULTIBOOT_END)) {
    fail({ code: "image.multiboot-header", message: "the image lies above 4 GiB" });
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
      mode: 32,
      rip: told.entry,
      rax: MULTIBOOT2_BOOTLOADER_MAGIC,
      rbx: told.segment.start,
    },
    commandLine: content.commandLine,
    notes: [...notes, ...biosNotes, ...notTold(parsed.header, multiboot2TagTypes(bytes))],
  };
}

export const multiboot2X86: ImageType = {
  name: "multiboot2-x86",
  architectures: ["x86_64"],
  options: MULTIBOOT_OPTIONS,
  probe,
  check(image) {
    moveOf(read(image));
  },
  takesEfi: () => false,
  entryBits: 32,
  whyNotByFile: () => "kexec_file_load takes no multiboot2 images",
  draft,
};
