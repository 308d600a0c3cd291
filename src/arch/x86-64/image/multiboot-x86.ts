/** multiboot-x86: images with a multiboot (version 1) header, entered in 32-bit mode. */

import { hex } from "../../../core/address.ts";
import { Reader } from "../../../core/bytes.ts";
import { EM_386 } from "../../../core/elf.ts";
import { fail } from "../../../core/error.ts";
import { defineStruct, type StructValue, u32 } from "../../../core/struct.ts";
import { type ElfImage, probeElf, readElf } from "../../../image/elf-image.ts";
import { placeElf } from "../../../image/place-elf.ts";
import type { DraftPlan, ImageType, PlanContext, Probe } from "../../../model/image-type.ts";
import {
  MULTIBOOT_BOOTLOADER_MAGIC,
  multibootInfo,
  multibootInfoSize,
} from "../handoff/multiboot-info.ts";
import { addressImage } from "./address-image.ts";
import { placeBios } from "./place-bios.ts";
import { MULTIBOOT_OPTIONS, multibootContent, placeInfo, placeModules } from "./place-multiboot.ts";

const MAGIC = 0x1badb002;
/** The header is within these bytes, at a multiple of 4. */
const SEARCH = 8192;
const ALIGNMENT = 4;
/** Magic, flags and checksum, which every header has. */
const SHORTEST = 12;
/** Bits of `flags`: the header has addresses; and all that a loader must refuse unless it knows
 * them, which are more than modules at pages, memory and video. */
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

function probe(image: Uint8Array): Probe {
  const header = findHeader(image);
  if (header === null) return { match: false, why: "no multiboot header in the first 8 KiB" };
  if (header.addresses !== null) return { match: true };
  const elf = probeElf(image, 32, [EM_386]);
  return elf.match ? elf : { match: false, why: `a multiboot header, but ${elf.why}` };
}

/** @throws KexecError `image.*` */
function read(image: Uint8Array): ElfImage {
  const header = findHeader(image);
  if (header === null) {
    return fail({ code: "image.multiboot-header", message: "there is no multiboot header" });
  }
  const unknown = header.flags & UNKNOWN_DEMANDS;
  if (unknown !== 0) {
    fail({
      code: "image.multiboot-header",
      message: `the multiboot header demands what is not known: bits ${hex(unknown)} of its flags`,
    });
  }
  if (header.addresses === null) return readElf(image, 32);
  return addressImage(image, header.offset, header.addresses, header.addresses.entry_addr);
}

function draft(context: PlanContext): DraftPlan {
  const elf = read(context.inputs.kernel.bytes);
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
  architectures: ["x86_64"],
  options: MULTIBOOT_OPTIONS,
  probe,
  check(image) {
    read(image);
  },
  takesEfi: () => false,
  entryBits: 32,
  whyNotByFile: () => "kexec_file_load takes no multiboot images",
  draft,
};
