/** The sections of a PE file, which EFI programs are. [pe-coff] */

import { hex } from "../core/address.ts";
import { textUntilNul } from "../core/bytes.ts";
import { fail } from "../core/error.ts";
import { blob, defineStruct, u16, u32 } from "../core/struct.ts";

const MZ = 0x5a4d;
/** "PE\0\0" */
const PE_SIGNATURE = 0x4550;

const DosHeader = defineStruct("DOS header", 0x40, { e_magic: u16(0), e_lfanew: u32(0x3c) });
/** The signature and the COFF file header behind it. */
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

export interface PeSection {
  /** `.linux` */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What a section holds: its file may be padded beyond its size in memory. */
function contentOf(file: Uint8Array, at: number): PeSection {
  const { Name, VirtualSize, SizeOfRawData, PointerToRawData } = SectionHeader.read(file, at);
  const name = textUntilNul(Name);
  const size = VirtualSize === 0 ? SizeOfRawData : Math.min(VirtualSize, SizeOfRawData);
  const end = PointerToRawData + size;
  if (end > file.length) {
    fail({
      code: "image.truncated",
      message:
        `the section ${name} is ${hex(size)} bytes at offset ${hex(PointerToRawData)}, ` +
        `the file has ${hex(file.length)}`,
      hint: "Copy or build the file again, and compare its size.",
    });
  }
  return { name, bytes: file.subarray(PointerToRawData, end) };
}

/** Offset and number of the section headers; null where `file` is no PE file. */
function sectionTable(file: Uint8Array): { readonly at: number; readonly count: number } | null {
  if (file.length < DosHeader.size) return null;
  const { e_magic, e_lfanew } = DosHeader.read(file);
  if (e_magic !== MZ || e_lfanew + FileHeader.size > file.length) return null;
  const { Signature, NumberOfSections, SizeOfOptionalHeader } = FileHeader.read(file, e_lfanew);
  if (Signature !== PE_SIGNATURE) return null;
  const at = e_lfanew + FileHeader.size + SizeOfOptionalHeader;
  return { at, count: NumberOfSections };
}

/** Whether `file` is a PE file with a section `name`; nothing else of it is looked at. */
export function hasPeSection(file: Uint8Array, name: string): boolean {
  const table = sectionTable(file);
  if (table === null) return false;
  for (let i = 0; i < table.count; i += 1) {
    const at = table.at + i * SectionHeader.size;
    if (at + SectionHeader.size > file.length) return false;
    if (textUntilNul(SectionHeader.read(file, at).Name) === name) return true;
  }
  return false;
}

/**
 * The sections in their order.
 * @throws KexecError `image.truncated`, `struct.truncated` where one reaches beyond the file
 */
export function peSections(file: Uint8Array): PeSection[] {
  const table = sectionTable(file);
  if (table === null) fail({ code: "image.pe", message: "no PE file" });
  const { at, count } = table;
  return Array.from({ length: count }, (_, i) => contentOf(file, at + i * SectionHeader.size));
}
