/** Multiboot2 information: tags, each at a multiple of 8. The image gets its address in EBX.
 * [multiboot2 §3.6] */

import { alignUp } from "../../../core/address.ts";
import { defineStruct, u32, u64 } from "../../../core/struct.ts";
import {
  LOADER_NAME,
  type MultibootContent,
  MultibootFramebuffer,
  textWithNul,
} from "./multiboot-content.ts";
import { OLD_ROOT_POINTER_SIZE, ROOT_POINTER_SIZE } from "./root-pointer-copy.ts";

/** The value of EAX at the image's entry. */
export const MULTIBOOT2_BOOTLOADER_MAGIC = 0x36d76289n;

export const Multiboot2TagType = {
  end: 0,
  cmdline: 1,
  bootLoaderName: 2,
  module: 3,
  basicMeminfo: 4,
  mmap: 6,
  framebuffer: 8,
  oldAcpi: 14,
  newAcpi: 15,
  loadBase: 21,
} as const;

const TAG_ALIGNMENT = 8n;
const TAG_HEADER = 8;
const Info = defineStruct("multiboot2 info", 8, { total_size: u32(0), reserved: u32(4) });
const Tag = defineStruct("multiboot2 tag", TAG_HEADER, { type: u32(0), size: u32(4) });
const Meminfo = defineStruct("multiboot2 meminfo", 8, { mem_lower: u32(0), mem_upper: u32(4) });
const Mmap = defineStruct("multiboot2 mmap", 8, { entry_size: u32(0), entry_version: u32(4) });
const MmapEntry = defineStruct("multiboot2 mmap entry", 24, {
  addr: u64(0),
  len: u64(8),
  type: u32(16),
  zero: u32(20),
});
const Module = defineStruct("multiboot2 module", 8, { mod_start: u32(0), mod_end: u32(4) });
const LoadBase = defineStruct("multiboot2 load base", 4, { load_base_addr: u32(0) });

interface TagBytes {
  readonly type: number;
  /** The contents after the tag's type and size. */
  readonly body: Uint8Array;
}

const endTag: TagBytes = { type: Multiboot2TagType.end, body: new Uint8Array(0) };

export interface Multiboot2Content extends MultibootContent {
  /** Physical load address of a relocatable image; null for any other. */
  readonly loadBase: bigint | null;
  /** Whether to add the tags for ACPI's root pointer. */
  readonly acpi: boolean;
}

/** Offsets, in bytes from the start of the information, where ACPI's root pointer is copied to. */
export interface AcpiRoom {
  /** Contents of the old tag: the 20 bytes of ACPI 1.0. */
  readonly old: number;
  /** Contents of the new tag: all 36 bytes. */
  readonly all: number;
  /** The new tag itself. It is not valid for a root pointer of ACPI 1.0. */
  readonly allTag: number;
}

function meminfoTag({ memory }: Multiboot2Content): TagBytes {
  const body = new Uint8Array(Meminfo.size);
  Meminfo.write(body, { mem_lower: memory.lower, mem_upper: memory.upper });
  return { type: Multiboot2TagType.basicMeminfo, body };
}

function mmapTag({ memory: { entries } }: Multiboot2Content): TagBytes {
  const body = new Uint8Array(Mmap.size + entries.length * MmapEntry.size);
  Mmap.write(body, { entry_size: MmapEntry.size, entry_version: 0 });
  entries.forEach((entry, i) => {
    MmapEntry.write(body, entry, Mmap.size + i * MmapEntry.size);
  });
  return { type: Multiboot2TagType.mmap, body };
}

function moduleTags({ modules }: Multiboot2Content): TagBytes[] {
  return modules.map(({ start, end, commandLine }) => {
    const text = textWithNul(commandLine);
    const body = new Uint8Array(Module.size + text.length);
    Module.write(body, { mod_start: Number(start), mod_end: Number(end) });
    body.set(text, Module.size);
    return { type: Multiboot2TagType.module, body };
  });
}

function framebufferTags({ screen }: Multiboot2Content): TagBytes[] {
  if (screen === null) return [];
  // Two bytes are reserved in front of the colors.
  const colorsAt = MultibootFramebuffer.size + 2;
  const body = new Uint8Array(colorsAt + screen.colors.length);
  MultibootFramebuffer.write(body, screen.screen);
  body.set(screen.colors, colorsAt);
  return [{ type: Multiboot2TagType.framebuffer, body }];
}

function loadBaseTags({ loadBase }: Multiboot2Content): TagBytes[] {
  if (loadBase === null) return [];
  const body = new Uint8Array(LoadBase.size);
  LoadBase.write(body, { load_base_addr: Number(loadBase) });
  return [{ type: Multiboot2TagType.loadBase, body }];
}

/** The types of the tags in `bytes`, which `multiboot2Info` returned. */
export function multiboot2TagTypes(bytes: Uint8Array): number[] {
  const types: number[] = [];
  for (let at = Info.size; at < bytes.length; ) {
    const { type, size } = Tag.read(bytes, at);
    types.push(type);
    at += Number(alignUp(BigInt(size), TAG_ALIGNMENT));
  }
  return types;
}

/** The last tags before the end tag: `rootPointerCopy` fills them just before the image starts. */
const acpiTags: readonly TagBytes[] = [
  { type: Multiboot2TagType.oldAcpi, body: new Uint8Array(OLD_ROOT_POINTER_SIZE) },
  { type: Multiboot2TagType.newAcpi, body: new Uint8Array(ROOT_POINTER_SIZE) },
];

/** The end tag's words. Written over the new ACPI tag, they end the information there. */
export const END_TAG = [Multiboot2TagType.end, TAG_HEADER] as const;

const paddedSize = ({ body }: TagBytes): number =>
  Number(alignUp(BigInt(TAG_HEADER + body.length), TAG_ALIGNMENT));

/** Offsets of the ACPI tags in the information of `length` bytes that `multiboot2Info` returned. */
export function acpiRoom(length: number): AcpiRoom {
  const tags = [...acpiTags, endTag].map(paddedSize);
  const oldTag = length - tags.reduce((sum, size) => sum + size, 0);
  const allTag = oldTag + (tags[0] ?? 0);
  return { old: oldTag + TAG_HEADER, all: allTag + TAG_HEADER, allTag };
}

/** The information, which can be loaded at any multiple of 8 below 4 GiB. */
export function multiboot2Info(content: Multiboot2Content): Uint8Array {
  const tags: TagBytes[] = [
    meminfoTag(content),
    mmapTag(content),
    ...loadBaseTags(content),
    { type: Multiboot2TagType.cmdline, body: textWithNul(content.commandLine) },
    { type: Multiboot2TagType.bootLoaderName, body: textWithNul(LOADER_NAME) },
    ...framebufferTags(content),
    ...moduleTags(content),
    ...(content.acpi ? acpiTags : []),
    endTag,
  ];
  const size = tags.reduce((sum, tag) => sum + paddedSize(tag), Info.size);
  const bytes = new Uint8Array(size);
  Info.write(bytes, { total_size: size });
  let at = Info.size;
  for (const tag of tags) {
    Tag.write(bytes, { type: tag.type, size: TAG_HEADER + tag.body.length }, at);
    bytes.set(tag.body, at + TAG_HEADER);
    at += paddedSize(tag);
  }
  return bytes;
}
