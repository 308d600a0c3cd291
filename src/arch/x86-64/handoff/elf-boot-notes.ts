/**
 * ELF boot notes: they pass the boot loader's name and the command line to an ELF executable that
 * is not a Linux kernel. A header, then notes without names. [kexec-tools include/boot/elf_boot.h]
 */

import { alignUp } from "../../../core/address.ts";
import { bytesOf } from "../../../core/bytes.ts";
import { defineStruct, u16, u32 } from "../../../core/struct.ts";

const ELF_BOOT_MAGIC = 0x0e1fb007;
const EBN_BOOTLOADER_NAME = 2;
const EBN_BOOTLOADER_VERSION = 3;
const EBN_COMMAND_LINE = 4;

export const Elf_Bhdr = defineStruct("Elf_Bhdr", 12, {
  b_signature: u32(0),
  b_size: u32(4),
  b_checksum: u16(8),
  b_records: u16(10),
});

export const Elf_Nhdr = defineStruct("Elf_Nhdr", 12, {
  n_namesz: u32(0),
  n_descsz: u32(4),
  n_type: u32(8),
});

const paddedLength = (text: Uint8Array): number => Number(alignUp(BigInt(text.length), 4n));

/** The Internet checksum: the one's complement of the one's complement sum of 16-bit words, little
 * endian. The length is even. [RFC 1071] */
export function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** The notes, to be loaded at a multiple of 4.
 * @param loader the boot loader's name and version; byte strings
 * @param commandLine byte string; null: the note for it is empty */
export function elfBootNotes(
  loader: { readonly name: string; readonly version: string },
  commandLine: string | null,
): Uint8Array {
  const records = [
    { type: EBN_BOOTLOADER_NAME, text: bytesOf(`${loader.name}\0`) },
    { type: EBN_BOOTLOADER_VERSION, text: bytesOf(`${loader.version}\0`) },
    { type: EBN_COMMAND_LINE, text: bytesOf(commandLine === null ? "" : `${commandLine}\0`) },
  ];
  const size = records.reduce(
    (sum, { text }) => sum + Elf_Nhdr.size + paddedLength(text),
    Elf_Bhdr.size,
  );
  const bytes = new Uint8Array(size);
  const header = { b_signature: ELF_BOOT_MAGIC, b_size: size, b_records: records.length };
  Elf_Bhdr.write(bytes, header);
  let at = Elf_Bhdr.size;
  for (const { type, text } of records) {
    Elf_Nhdr.write(bytes, { n_namesz: 0, n_descsz: text.length, n_type: type }, at);
    bytes.set(text, at + Elf_Nhdr.size);
    at += Elf_Nhdr.size + paddedLength(text);
  }
  Elf_Bhdr.write(bytes, { b_checksum: internetChecksum(bytes) });
  return bytes;
}
