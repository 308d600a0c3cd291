/**
 * Makes the built executable safe for programs that edit ELF files, such as strip.
 *
 * In Bun's runtime the section `.bun` is 8 bytes. `bun build --compile` writes the program behind
 * everything else, its address into those 8 bytes, and moves the section's header to the program:
 * from then on no section covers the 8 bytes. A tool that writes the file anew copies sections, not
 * what lies between them. The 8 bytes become zeros, and the runtime, finding no program, acts as
 * Bun's own command line. So the section in front of the 8 bytes is made 8 bytes longer.
 */

import { alignUp, hex } from "../src/core/address.ts";
import { Reader, startsWith, textUntilNul } from "../src/core/bytes.ts";
import { ELF64_IDENT, Elf64_Ehdr } from "../src/core/elf.ts";
import { defineStruct, u32, u64 } from "../src/core/struct.ts";
import { Problem } from "./command.ts";

/** [elf] */
const Elf64_Shdr = defineStruct("Elf64_Shdr", 64, {
  sh_name: u32(0),
  sh_type: u32(4),
  sh_flags: u64(8),
  sh_addr: u64(16),
  sh_offset: u64(24),
  sh_size: u64(32),
});
const SHT_PROGBITS = 1;
const SHF_ALLOC = 2n;

/** Where the program is; and the size of what points to it, which is aligned to its size. */
const PROGRAM = ".bun";
const POINTER = 8n;

interface Section {
  readonly name: string;
  /** Of the header, in the file. */
  readonly header: number;
  readonly address: bigint;
  /** In the file; `end` is behind the last byte. */
  readonly offset: bigint;
  readonly end: bigint;
  /** It is in the file and in memory. */
  readonly loaded: boolean;
}

function readSections(bytes: Uint8Array): Section[] {
  const { e_shoff, e_shnum, e_shstrndx } = Elf64_Ehdr.read(bytes);
  const headers = Array.from({ length: e_shnum }, (_, index) => {
    const header = Number(e_shoff) + index * Elf64_Shdr.size;
    return { header, ...Elf64_Shdr.read(bytes, header) };
  });
  const names = bytes.subarray(Number(headers[e_shstrndx]?.sh_offset ?? 0n));
  return headers.map(({ header, sh_name, sh_type, sh_flags, sh_addr, sh_offset, sh_size }) => {
    const name = textUntilNul(names.subarray(sh_name));
    const loaded = sh_type === SHT_PROGBITS && (sh_flags & SHF_ALLOC) !== 0n;
    const end = sh_offset + sh_size;
    return { name, header, address: sh_addr, offset: sh_offset, end, loaded };
  });
}

const unknownLayout = (reason: string): Problem =>
  new Problem({
    step: "Cover the pointer to the program with a section",
    reason: `${reason}: this runtime lays its files out in another way`,
    advice: "look at readelf -SW of the file and of the runtime, and at scripts/program-pointer.ts",
  });

/**
 * A copy of the ELF file that `bun build --compile` made, in which a section covers the pointer to
 * the program: the one that ends right in front of it is 8 bytes longer. Nothing else changes.
 * @throws Problem where there is no such pointer, or more than one
 * @throws KexecError `struct.truncated` where the file ends before its section headers do
 */
export function coverProgramPointer(bytes: Uint8Array): Uint8Array {
  if (!startsWith(bytes, ELF64_IDENT.subarray(0, 7))) {
    throw unknownLayout("it is no 64-bit little-endian ELF file");
  }
  const sections = readSections(bytes);
  const program = sections.find(({ name }) => name === PROGRAM);
  if (program === undefined) throw unknownLayout(`it has no section ${PROGRAM}`);
  const file = new Reader(bytes, "the executable");
  const loaded = sections.filter((section) => section.loaded);
  const isCovered = (at: bigint) =>
    loaded.some(({ offset, end }) => offset < at + POINTER && at < end);
  const isPointer = (at: bigint) =>
    !isCovered(at) && at + POINTER <= bytes.length && file.u64(Number(at)) === program.address;
  const found = loaded.filter(({ end }) => isPointer(alignUp(end, POINTER)));
  const [before] = found;
  if (before === undefined || found.length > 1) {
    const places = `${found.length} sections end in front of a pointer to ${hex(program.address)}`;
    throw unknownLayout(`${places}, where ${PROGRAM} is`);
  }
  const covered = bytes.slice();
  const size = alignUp(before.end, POINTER) + POINTER - before.offset;
  Elf64_Shdr.write(covered, { sh_size: size }, before.header);
  return covered;
}
