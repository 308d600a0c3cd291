import { describe, expect, test } from "bun:test";
import { Problem } from "../../scripts/command.ts";
import { coverProgramPointer } from "../../scripts/program-pointer.ts";

const PROGRAM_ADDRESS = 0x6a22000n;
/** Where things are in the file. */
const DATA = 0x40;
const DATA_SIZE = 24;
const POINTER = DATA + DATA_SIZE;
const STRINGS = POINTER + 8;
const HEADERS = 0x100;
const DATA_HEADER = HEADERS + 64;
/** sh_type. [elf] */
const [PROGBITS, STRTAB, NOBITS] = [1, 3, 8];

interface Layout {
  readonly pointer?: bigint;
  readonly dataSize?: number;
  readonly dataType?: number;
  readonly programName?: string;
}

/** Headers by the specification: none, .data.rel.ro, .bun, .shstrtab. [elf] */
function makeBuilt({
  pointer = PROGRAM_ADDRESS,
  dataSize = DATA_SIZE,
  dataType = PROGBITS,
  programName = ".bun",
}: Layout = {}): Uint8Array {
  const file = new Uint8Array(HEADERS + 4 * 64);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setBigUint64(0x28, BigInt(HEADERS), true);
  view.setUint16(0x3c, 4, true);
  view.setUint16(0x3e, 3, true);
  file.fill(0x11, DATA, POINTER);
  view.setBigUint64(POINTER, pointer, true);
  const names = ["", ".data.rel.ro", programName, ".shstrtab"];
  file.set(Buffer.from(`${names.join("\0")}\0`), STRINGS);
  const rows: readonly (readonly [number, bigint, number, number])[] = [
    [0, 0n, 0, 0],
    [dataType, 0x685d0e0n, DATA, dataSize],
    [PROGBITS, PROGRAM_ADDRESS, 0x200, 16],
    [STRTAB, 0n, STRINGS, 40],
  ];
  let name = 0;
  rows.forEach(([type, address, offset, size], i) => {
    const at = HEADERS + i * 64;
    view.setUint32(at, name, true);
    view.setUint32(at + 4, type, true);
    view.setBigUint64(at + 8, type === STRTAB ? 0n : 3n, true);
    view.setBigUint64(at + 16, address, true);
    view.setBigUint64(at + 24, BigInt(offset), true);
    view.setBigUint64(at + 32, BigInt(size), true);
    name += (names[i]?.length ?? 0) + 1;
  });
  return file;
}

test("the section in front of the pointer covers it, and nothing else changes", () => {
  const built = makeBuilt();
  const covered = coverProgramPointer(built);
  expect(built).toEqual(makeBuilt());
  const view = new DataView(covered.buffer);
  expect(view.getBigUint64(DATA_HEADER + 32, true)).toBe(BigInt(DATA_SIZE + 8));
  view.setBigUint64(DATA_HEADER + 32, BigInt(DATA_SIZE), true);
  expect(covered).toEqual(built);
});

test("a section that does not end at a multiple of 8 covers the padding too", () => {
  const covered = coverProgramPointer(makeBuilt({ dataSize: DATA_SIZE - 3 }));
  const size = new DataView(covered.buffer).getBigUint64(DATA_HEADER + 32, true);
  expect(size).toBe(BigInt(DATA_SIZE + 8));
});

describe("a layout that is not known is refused", () => {
  test.each([
    ["another value behind the section", makeBuilt({ pointer: PROGRAM_ADDRESS + 1n })],
    ["a pointer that a section covers already", makeBuilt({ dataSize: DATA_SIZE + 8 })],
    ["a section in front that is not in the file", makeBuilt({ dataType: NOBITS })],
    ["no program", makeBuilt({ programName: ".pun" })],
    ["a 32-bit file", makeBuilt().fill(1, 4, 5)],
    ["no ELF file", new TextEncoder().encode("#!/bin/sh\n")],
  ])("%s", (_, file) => {
    const attempt = () => coverProgramPointer(file);
    expect(attempt).toThrow(Problem);
    expect(attempt).toThrow("lays its files out in another way");
  });
});
