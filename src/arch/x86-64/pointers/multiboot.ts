/** The addresses in the information that multiboot images get. */

import { alignUp } from "../../../core/address.ts";
import { Reader } from "../../../core/bytes.ts";
import type { Pointer, PointingPlan } from "../../../model/pointer.ts";
import {
  MULTIBOOT_BOOTLOADER_MAGIC,
  MultibootInfo,
  MultibootInfoFlag,
  MultibootModuleEntry,
} from "../handoff/multiboot-info.ts";
import { Multiboot2TagType } from "../handoff/multiboot2-info.ts";
import { readRootPointerCopy } from "../handoff/root-pointer-copy.ts";
import { bytesAt, foundAt, textSize } from "./segment-reader.ts";

/** In no segment. */
const NOWHERE = 1n << 64n;
const INFO = { roles: ["multiboot-info"] } as const;

/** A module without bytes has no place. */
function modulePointers(start: bigint, end: bigint): Pointer[] {
  if (start === 0n && end === 0n) return [];
  return [
    { what: "a module", start, size: end > start ? end - start : NOWHERE, roles: ["module"] },
  ];
}

function text({ segments }: PointingPlan, what: string, address: number): Pointer {
  const start = BigInt(address);
  return { what, start, size: textSize(segments, start), ...INFO };
}

function firstVersion(plan: PointingPlan, start: bigint): Pointer[] {
  const size = BigInt(MultibootInfo.size);
  const own: Pointer = { what: "the multiboot information", start, size, ...INFO };
  const bytes = bytesAt(plan.segments, start, MultibootInfo.size);
  if (bytes === null) return [own];
  const { flags, ...info } = MultibootInfo.read(bytes);
  const has = (flag: number) => (flags & flag) !== 0;
  const table = (what: string, address: number, length: number): Pointer[] =>
    length === 0 ? [] : [{ what, start: BigInt(address), size: BigInt(length), ...INFO }];
  const listSize = has(MultibootInfoFlag.mods) ? info.mods_count * MultibootModuleEntry.size : 0;
  const list = bytesAt(plan.segments, BigInt(info.mods_addr), listSize) ?? new Uint8Array(0);
  const modules = Array.from({ length: list.length / MultibootModuleEntry.size }, (_, i) =>
    MultibootModuleEntry.read(list, i * MultibootModuleEntry.size),
  );
  return [
    own,
    ...(has(MultibootInfoFlag.cmdline) ? [text(plan, "the command line", info.cmdline)] : []),
    ...(has(MultibootInfoFlag.bootLoaderName)
      ? [text(plan, "the boot loader's name", info.boot_loader_name)]
      : []),
    ...(has(MultibootInfoFlag.memMap)
      ? table("the memory map", info.mmap_addr, info.mmap_length)
      : []),
    ...table("the list of modules", info.mods_addr, listSize),
    ...modules.flatMap(({ mod_start, mod_end, string }) => [
      ...modulePointers(BigInt(mod_start), BigInt(mod_end)),
      text(plan, "a module's words", string),
    ]),
  ];
}

/** Type and size of a tag. */
const TAG = 8;

/** Of version 2's information, only modules and the image's own load address are addresses. */
function secondVersion({ segments }: PointingPlan, start: bigint): Pointer[] {
  const { bytes = new Uint8Array(0) } = foundAt(segments, start) ?? {};
  const whole = bytes.length < TAG ? TAG : new Reader(bytes, "multiboot2 information").u32(0);
  const size = whole < TAG ? NOWHERE : BigInt(whole);
  const own: Pointer = { what: "the multiboot information", start, size, ...INFO };
  if (size > BigInt(bytes.length)) return [own];
  const reader = new Reader(bytes.subarray(0, whole), "multiboot2 information");
  const pointers = [own];
  for (let at = TAG; at + TAG <= whole; ) {
    const [type, size] = [reader.u32(at), reader.u32(at + 4)];
    const place = (what: string): Pointer => ({ ...own, what, start: start + BigInt(at) });
    // What every tag has, and no end.
    if (size < TAG || at + size > whole) return [...pointers, { ...place("a tag"), size: NOWHERE }];
    if (type === Multiboot2TagType.module) {
      pointers.push(...modulePointers(BigInt(reader.u32(at + TAG)), BigInt(reader.u32(at + 12))));
    } else if (type === Multiboot2TagType.loadBase) {
      const base = BigInt(reader.u32(at + TAG));
      pointers.push({ what: "the load base", start: base, size: 1n, roles: ["kernel"] });
    }
    at += Number(alignUp(BigInt(size), BigInt(TAG)));
  }
  return pointers;
}

/** Of an image that finds `magic` in EAX, and the address of its information in EBX. */
export function multibootPointers(plan: PointingPlan, magic: bigint, info: bigint): Pointer[] {
  return magic === MULTIBOOT_BOOTLOADER_MAGIC
    ? firstVersion(plan, info)
    : secondVersion(plan, info);
}

/** Of the code that copies ACPI's root pointer and goes on to the image; null where the image
 * itself is entered. */
export function copyPointers({ segments }: PointingPlan, entry: bigint): Pointer[] | null {
  const found = foundAt(segments, entry);
  if (found === null || found.segment.role !== "multiboot-info") return null;
  const copy = readRootPointerCopy(found.bytes);
  const code: Pointer = { what: "the code before the image", start: entry, size: 1n, ...INFO };
  if (copy === null) return [{ ...code, size: NOWHERE }];
  return [
    code,
    ...copy.targets.map(
      ({ at, size }): Pointer => ({
        ...{ what: "a place for ACPI's root pointer", start: BigInt(at), size: BigInt(size) },
        roles: ["multiboot-info", "bios-page"],
      }),
    ),
    ...(copy.ifOld === null
      ? []
      : [{ what: "an end of the information", start: BigInt(copy.ifOld.at), size: 8n, ...INFO }]),
    { what: "the image's entry", start: BigInt(copy.entry), size: 1n, roles: ["kernel"] },
  ];
}
