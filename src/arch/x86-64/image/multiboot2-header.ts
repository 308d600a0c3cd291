/** The header of a multiboot2 image: tags with its requirements for loading. [multiboot2 §3.1] */

import { alignUp, hex } from "../../../core/address.ts";
import { Reader } from "../../../core/bytes.ts";
import { failImage } from "../../../core/error.ts";
import { defineStruct, type StructValue, u16, u32 } from "../../../core/struct.ts";

const MAGIC = 0xe85250d6;
const ARCHITECTURE_I386 = 0;
/** The header lies within the first bytes of the file, at a multiple of 8. */
const SEARCH = 32768;
const ALIGNMENT = 8;

const Header = defineStruct("multiboot2 header", 16, {
  magic: u32(0),
  architecture: u32(4),
  header_length: u32(8),
  checksum: u32(12),
});
const Tag = defineStruct("multiboot2 header tag", 8, { type: u16(0), flags: u16(2), size: u32(4) });
const AddressTag = defineStruct("multiboot2 address tag", 24, {
  header_addr: u32(8),
  load_addr: u32(12),
  load_end_addr: u32(16),
  bss_end_addr: u32(20),
});
const EntryTag = defineStruct("multiboot2 entry tag", 12, { entry_addr: u32(8) });
const RelocatableTag = defineStruct("multiboot2 relocatable tag", 24, {
  min_addr: u32(8),
  max_addr: u32(12),
  align: u32(16),
  preference: u32(20),
});

/** `type` of a tag. */
const END = 0;
const INFORMATION_REQUEST = 1;
const ADDRESS = 2;
const ENTRY_ADDRESS = 3;
const RELOCATABLE = 10;
/** Tags that need no action: console, framebuffer, page-aligned modules (they always are), and the
 * entry points for EFI, which kexec does not use. */
const WITHOUT_EFFECT = [4, 5, 6, 7, 8, 9];
const OPTIONAL = 1;

export interface Multiboot2Header {
  /** Types of the information tags that the image requests. */
  readonly requests: readonly number[];
  /** The offset of the header in the file, in bytes. */
  readonly offset: number;
  readonly address: StructValue<typeof AddressTag.fields> | null;
  readonly entry: number | null;
  readonly relocatable: StructValue<typeof RelocatableTag.fields> | null;
}

/** The offset of the header in the file, in bytes; null: there is none. */
export function findMultiboot2Header(image: Uint8Array): number | null {
  const head = image.subarray(0, SEARCH);
  const reader = new Reader(head, "multiboot2 header");
  for (let offset = 0; offset + Header.size <= head.length; offset += ALIGNMENT) {
    if (reader.u32(offset) !== MAGIC) continue;
    const { architecture, header_length, checksum } = Header.read(head, offset);
    const sum = MAGIC + architecture + header_length + checksum;
    if (sum % 2 ** 32 === 0 && architecture === ARCHITECTURE_I386) return offset;
  }
  return null;
}

function refuse(message: string): never {
  return failImage({ code: "image.multiboot-header", message });
}

/** The 32-bit words of a tag, without its type and size. */
function wordsOf(image: Uint8Array, at: number, size: number): number[] {
  const reader = new Reader(image, "multiboot2 header tag");
  const count = Math.floor((size - Tag.size) / 4);
  return Array.from({ length: count }, (_, i) => reader.u32(at + Tag.size + i * 4));
}

/**
 * Reads the header at `offset` of `image`, which `findMultiboot2Header` found.
 * @throws KexecError `image.multiboot-header`, `struct.truncated`
 */
export function readMultiboot2Header(image: Uint8Array, offset: number): Multiboot2Header {
  const end = offset + Header.read(image, offset).header_length;
  let header: Multiboot2Header = {
    ...{ requests: [], offset, address: null, entry: null, relocatable: null },
  };
  let at = offset + Header.size;
  while (at < end) {
    const { type, flags, size } = Tag.read(image, at);
    if (type === END) break;
    if (size < Tag.size)
      refuse(`the tag at ${hex(at)} has ${size} bytes; the least is ${Tag.size}`);
    if (at + size > end) refuse(`the tag at ${hex(at)} extends beyond the end of the header`);
    if (type === ADDRESS) header = { ...header, address: AddressTag.read(image, at) };
    else if (type === ENTRY_ADDRESS) {
      header = { ...header, entry: EntryTag.read(image, at).entry_addr };
    } else if (type === RELOCATABLE) {
      header = { ...header, relocatable: RelocatableTag.read(image, at) };
    } else if (type === INFORMATION_REQUEST) {
      header = { ...header, requests: wordsOf(image, at, size) };
    } else if (!WITHOUT_EFFECT.includes(type) && (flags & OPTIONAL) === 0) {
      refuse(`the header requires an unknown tag: type ${type} at ${hex(at)}`);
    }
    at += Number(alignUp(BigInt(size), BigInt(ALIGNMENT)));
  }
  return header;
}
