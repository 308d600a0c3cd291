/** multiboot-x86: images with a multiboot (version 1) header, entered in 32-bit mode. */

import { hex } from "../../../core/address.ts";
import { Reader } from "../../../core/bytes.ts";
import { EM_386 } from "../../../core/elf.ts";
import { ImageError } from "../../../core/error.ts";
import { defineStruct, type StructValue, u32 } from "../../../core/struct.ts";
import { type ElfImage, readElf, whyNotElf } from "../../../image/elf-image.ts";
import { placeElf } from "../../../image/place-elf.ts";
import {
  type DraftPlan,
  type ImageType,
  notMine,
  type PlanContext,
} from "../../../model/image-type.ts";
import {
  MULTIBOOT_BOOTLOADER_MAGIC,
  multibootInfo,
  multibootInfoSize,
} from "../handoff/multiboot-info.ts";
import { purgatoryPlace } from "../layout.ts";
import { addressImage } from "./address-image.ts";
import { placeBios } from "./place-bios.ts";
import { MULTIBOOT_OPTIONS, multibootContent, placeInfo, placeModules } from "./place-multiboot.ts";

const MAGIC = 0x1badb002;
/** The header lies within the first bytes of the file, at a multiple of 4. */
const SEARCH = 8192;
const ALIGNMENT = 4;
/** The fields that every header has. */
const SHORTEST = 12;
/** Bits of `flags`: the header has addresses; and the bits that a loader must refuse unless it
 * supports them, without those for page-aligned modules, memory information and video mode. */
const HAS_ADDRESSES = 1 << 16;
const UNKNOWN_DEMANDS = 0xfff8;

const Addresses = defineStruct("multiboot header addresses", 32, {
  header_addr: u32(12),
  load_addr: u32(16),
  load_end_addr: u32(20),
  bss_end_addr: u32(24),
  entry_addr: u32(28),
});

interface Header {
  readonly offset: number;
  readonly flags: number;
  readonly addresses: StructValue<typeof Addresses.fields> | null;
}

function findHeader(image: Uint8Array): Header | null {
  const reader = new Reader(image.subarray(0, SEARCH), "multiboot header");
  for (let offset = 0; offset + SHORTEST <= reader.length; offset += ALIGNMENT) {
    if (reader.u32(offset) !== MAGIC) continue;
    const flags = reader.u32(offset + 4);
    if ((MAGIC + flags + reader.u32(offset + 8)) % 2 ** 32 !== 0) continue;
    const addresses = (flags & HAS_ADDRESSES) === 0 ? null : Addresses.read(image, offset);
    return { offset, flags, addresses };
  }
  return null;
}

/**
 * The image, or why the header is not for us: then another type may take the file, as in
 * kexec-tools.
 * @throws KexecError `image.*` for an ELF file that is broken
 */
function read(image: Uint8Array, { offset, flags, addresses }: Header): ElfImage | string {
  const unknown = flags & UNKNOWN_DEMANDS;
  if (unknown !== 0) {
    return `the multiboot header requires unknown features: bits ${hex(unknown)} of its flags`;
  }
  if (addresses === null) return readElf(image, 32);
  try {
    return addressImage(image, offset, addresses, addresses.entry_addr);
  } catch (error) {
    if (error instanceof ImageError) return error.message;
    throw error;
  }
}

function draft(context: PlanContext, elf: ElfImage): DraftPlan {
  const image = placeElf(context, elf, { move: null, preferOwn: true, whole: false });
  const { segments, modules } = placeModules(context);
  const { content, notes } = multibootContent(context, modules);
  const { segment: bios, notes: biosNotes } = placeBios(context, content.memory.lower);
  const told = placeInfo(context, {
    length: multibootInfoSize(content),
    make: (at) => multibootInfo(content, at),
    acpi: null,
    bios,
    entry: image.entry,
  });
  return {
    segments: [...image.segments, ...segments, told.segment, ...(bios === null ? [] : [bios])],
    entryState: {
      arch: "x86_64",
      mode: 32,
      rip: told.entry,
      rax: MULTIBOOT_BOOTLOADER_MAGIC,
      rbx: told.segment.start,
    },
    commandLine: content.commandLine,
    notes: [...notes, ...biosNotes],
  };
}

export const multibootX86: ImageType = {
  name: "multiboot-x86",
  options: MULTIBOOT_OPTIONS,
  mayBegin: (start) => findHeader(start) !== null,
  parse(file) {
    const header = findHeader(file);
    if (header === null) return notMine("no multiboot header in the first 8 KiB");
    const whyNot = header.addresses === null ? whyNotElf(file, 32, [EM_386]) : null;
    if (whyNot !== null) return notMine(`a multiboot header, but ${whyNot}`);
    const elf = read(file, header);
    if (typeof elf === "string") return notMine(elf);
    return {
      match: true,
      type: "multiboot-x86",
      options: MULTIBOOT_OPTIONS,
      commandLineLimit: null,
      takesEfi: false,
      memorySize: BigInt(file.length),
      whyNotByFile: "kexec_file_load does not load multiboot images",
      purgatory: purgatoryPlace(32),
      draft: (context) => draft(context, elf),
    };
  },
};
