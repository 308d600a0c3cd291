/** The sections of a PE file, the format of EFI programs. [pe-coff] */

import { hex } from "../core/address.ts";
import { startsWith, textUntilNul } from "../core/bytes.ts";
import { fail } from "../core/error.ts";
import { blob, defineStruct, u16, u32 } from "../core/struct.ts";

/** "MZ" */
const MZ = 0x5a4d;
/** "PE\0\0" */
const PE_SIGNATURE = 0x4550;

const DosHeader = defineStruct("DOS header", 0x40, { e_magic: u16(0), e_lfanew: u32(0x3c) });
/** The signature and the COFF file header that follows it. */
const FileHeader = defineStruct("PE header", 24, {
  Signature: u32(0),
  NumberOfSections: u16(6),
  SizeOfOptionalHeader: u16(20),
});
const SectionHeader = defineStruct("PE section header", 40, {
  Name: blob(0, 8),
  VirtualSize: u32(8),
  SizeOfRawData: u32(16),
  PointerToRawData: u32(20),
});

const HINT = "Copy or build the file again, and compare its size.";

export interface PeSection {
  /** E.g. `.linux`. */
  readonly name: string;
  /** The bytes in the file, without padding beyond the size in memory. */
  readonly bytes: Uint8Array;
  /** Where `bytes` begin in the file, in bytes. */
  readonly offset: number;
  /** VirtualSize, in bytes; 0 where the linker left it out. */
  readonly memorySize: number;
  /** SizeOfRawData, in bytes: the section's size in the file by its header. */
  readonly fileSize: number;
}

/** @throws KexecError `image.truncated` where the file ends before the section does */
function contentOf(file: Uint8Array, at: number): PeSection {
  const header = SectionHeader.read(file, at);
  const { VirtualSize: memorySize, SizeOfRawData: fileSize, PointerToRawData: offset } = header;
  const name = textUntilNul(header.Name);
  const size = memorySize === 0 ? fileSize : Math.min(memorySize, fileSize);
  const end = offset + size;
  if (end > file.length) {
    fail({
      code: "image.truncated",
      message:
        `the section ${name} is ${hex(size)} bytes at offset ${hex(offset)}, ` +
        `the file has ${hex(file.length)}`,
      hint: HINT,
    });
  }
  return { name, bytes: file.subarray(offset, end), offset, memorySize, fileSize };
}

interface SectionTable {
  readonly at: number;
  readonly count: number;
  readonly end: number;
}

/** The place of the section headers, which may lie beyond the end of the file, or why the file has
 * none. */
function sectionTable(file: Uint8Array): SectionTable | string {
  const none = "not a PE file";
  if (file.length < DosHeader.size) return none;
  const { e_magic, e_lfanew } = DosHeader.read(file);
  if (e_magic !== MZ || e_lfanew + FileHeader.size > file.length) return none;
  const { Signature, NumberOfSections, SizeOfOptionalHeader } = FileHeader.read(file, e_lfanew);
  if (Signature !== PE_SIGNATURE) return none;
  const at = e_lfanew + FileHeader.size + SizeOfOptionalHeader;
  return { at, count: NumberOfSections, end: at + NumberOfSections * SectionHeader.size };
}

const cutTable = ({ at, count, end }: SectionTable, file: Uint8Array): string =>
  `a truncated PE file: its ${count} section headers lie at offsets ${hex(at)} to ${hex(end)}, ` +
  `the file has ${hex(file.length)} bytes`;

/** Whether the file begins as all PE files do. */
export const isPe = (file: Uint8Array): boolean =>
  startsWith(file, Uint8Array.of(MZ & 0xff, MZ >> 8));

/** Why `file` is not a PE file with a section `name`; null: it is, even if the file is truncated
 * within that section. */
export function whyNoPeSection(file: Uint8Array, name: string): string | null {
  const none = `not a PE file with a section ${name}`;
  const table = sectionTable(file);
  if (typeof table === "string") return none;
  for (let { at } = table; at < table.end; at += SectionHeader.size) {
    if (at + SectionHeader.size > file.length) {
      return `${cutTable(table, file)}, and no complete header is that of ${name}`;
    }
    if (textUntilNul(SectionHeader.read(file, at).Name) === name) return null;
  }
  return none;
}

/**
 * The sections in the order of their headers.
 * @throws KexecError `image.pe`; `image.truncated` where a section lies beyond the end of the file
 */
export function peSections(file: Uint8Array): PeSection[] {
  const table = sectionTable(file);
  if (typeof table === "string") return fail({ code: "image.pe", message: table });
  if (table.end > file.length) {
    fail({ code: "image.truncated", message: cutTable(table, file), hint: HINT });
  }
  const { at, count } = table;
  return Array.from({ length: count }, (_, i) => contentOf(file, at + i * SectionHeader.size));
}

/**
 * The bytes of a section that must be complete in the file.
 * @throws KexecError `image.truncated` where SizeOfRawData is less than VirtualSize: the section
 *   was truncated, or the file is a stub without it
 */
export function wholeSection({ name, bytes, memorySize, fileSize, offset }: PeSection): Uint8Array {
  if (fileSize >= memorySize) return bytes;
  return fail({
    code: "image.truncated",
    message:
      `the section ${name} has VirtualSize ${hex(memorySize)}, but SizeOfRawData is only ` +
      `${hex(fileSize)}, at offset ${hex(offset)}`,
    hint: HINT,
  });
}
