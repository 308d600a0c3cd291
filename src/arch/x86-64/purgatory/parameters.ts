/**
 * The purgatory's parameter block: the table of x86-64/contract.h, and how a plan fills it in.
 *
 * What it does not do: it chooses no addresses, and reads no blob from anywhere; `index.ts` has it.
 */

import { ADDRESS_END, GIB, hex, KIB } from "../../../core/address.ts";
import { fail } from "../../../core/error.ts";
import { overlaps } from "../../../core/range.ts";
import {
  blob as bytes,
  defineStruct,
  type StructValue,
  u16,
  u32,
  u64,
} from "../../../core/struct.ts";
import type { ConsoleRequest } from "../../../model/request.ts";
import type { PurgatoryManifest } from "../../../purgatory/manifest.ts";

/** "onekexec" as the bytes lie in memory. */
export const PARAMETERS_MAGIC = 0x636578656b656e6fn;
export const PARAMETERS_VERSION = 1;
/** How many regions one block has room for. */
export const REGIONS_MAX = 16;

/** Bits of `flags`. */
export const ParameterFlag = {
  skipChecks: 0x01,
  consoleVga: 0x02,
  consoleSerial: 0x04,
  resetVga: 0x08,
} as const;

/** Values of `entry_mode`, by the width of the code that is entered. */
export const EntryMode = { 64: 0, 32: 1, 16: 2 } as const;

/** `struct region` of contract.h. */
export const purgatoryRegion = defineStruct("purgatory region", 0x30, {
  start: u64(0x00),
  length: u64(0x08),
  sha256: bytes(0x10, 32),
});

/** `struct parameters` of contract.h. Offsets count from the start of the block. */
export const purgatoryParameters = defineStruct("purgatory parameters", 0x400, {
  magic: u64(0x000),
  version: u32(0x008),
  block_size: u32(0x00c),
  flags: u32(0x010),
  region_count: u32(0x014),
  serial_base: u32(0x018),
  serial_baud: u32(0x01c),
  backup_source: u64(0x020),
  backup_destination: u64(0x028),
  backup_size: u64(0x030),
  sha256_routine: u32(0x038),
  entry_mode: u32(0x03c),
  rax: u64(0x040),
  rbx: u64(0x048),
  rcx: u64(0x050),
  rdx: u64(0x058),
  rsi: u64(0x060),
  rdi: u64(0x068),
  rsp: u64(0x070),
  rbp: u64(0x078),
  r8: u64(0x080),
  r9: u64(0x088),
  r10: u64(0x090),
  r11: u64(0x098),
  r12: u64(0x0a0),
  r13: u64(0x0a8),
  r14: u64(0x0b0),
  r15: u64(0x0b8),
  rip: u64(0x0c0),
  cs: u16(0x0c8),
  ds: u16(0x0ca),
  es: u16(0x0cc),
  ss: u16(0x0ce),
  fs: u16(0x0d0),
  gs: u16(0x0d2),
  flags_16: u32(0x0d4),
  jump_back_text: u64(0x0d8),
  regions: bytes(0x100, REGIONS_MAX * purgatoryRegion.size),
});

/** The block's registers, in its order. */
const REGISTERS = [
  ...(["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp", "r8", "r9"] as const),
  ...(["r10", "r11", "r12", "r13", "r14", "r15", "rip"] as const),
] as const;

/** What the CPU holds when the kernel starts. Unnamed registers are 0, but for `rsp`: where that is
 * absent or 0 the kernel gets the purgatory's own stack. */
export type PurgatoryRegisters = { readonly rip: bigint } & {
  readonly [R in (typeof REGISTERS)[number]]?: bigint | undefined;
};

/** What code in real mode finds in its segment registers. */
export type PurgatorySegments = {
  readonly [S in "cs" | "ds" | "es" | "ss" | "fs" | "gs"]: number;
};

/** Bits of the flags that real mode begins with: the one that is always set, and interrupts. */
const FLAGS_CLEAN = 0x002;
const FLAGS_INTERRUPTS = 0x200;

/** Memory that must hold exactly what was put there. */
export interface PurgatoryRegion {
  readonly start: bigint;
  /** In bytes; the digest is over this many, and no padding. */
  readonly length: bigint;
  readonly sha256: Uint8Array;
}

/** What is copied, after the checks, for a crash kernel to find. In bytes. */
export interface PurgatoryBackup {
  readonly source: bigint;
  readonly destination: bigint;
  readonly size: bigint;
}

export interface PurgatoryParameters {
  /** Absent: 64. With 32 the purgatory must lie below 4 GiB, and only the eight registers of 32-bit
   * code are set; with 16 it must lie below 1 MiB, and `segments` are set too. */
  readonly mode?: keyof typeof EntryMode | undefined;
  readonly registers: PurgatoryRegisters;
  /** For mode 16, where `rsp` is always taken; absent: all 0. */
  readonly segments?: PurgatorySegments | undefined;
  /** For mode 16: whether interrupts are on. */
  readonly interrupts?: boolean | undefined;
  readonly regions: readonly PurgatoryRegion[];
  /** Start the kernel whatever memory holds; `regions` is then not looked at. */
  readonly skipChecks: boolean;
  readonly console: ConsoleRequest;
  readonly backup?: PurgatoryBackup | undefined;
  /** Where the running kernel can be jumped back to: the address of the command line's NUL, which
   * has `JUMP_BACK_ROOM` bytes behind it. */
  readonly jumpBackText?: bigint | undefined;
}

/** What the blob takes in memory, its stack included, in bytes: a multiple of its alignment. */
export function purgatoryMemorySize(manifest: PurgatoryManifest): bigint {
  return BigInt(manifest.memorySize);
}

function flagsOf({ skipChecks, console }: PurgatoryParameters): number {
  return (
    (skipChecks ? ParameterFlag.skipChecks : 0) |
    (console.vga ? ParameterFlag.consoleVga : 0) |
    (console.serial ? ParameterFlag.consoleSerial : 0) |
    (console.resetVga ? ParameterFlag.resetVga : 0)
  );
}

function regionsOf(regions: readonly PurgatoryRegion[]): Uint8Array {
  if (regions.length > REGIONS_MAX) {
    fail({
      code: "purgatory.regions",
      message: `the purgatory can check ${REGIONS_MAX} segments, and there are ${regions.length}`,
      hint: "join modules, or load with --no-checks",
    });
  }
  const block = new Uint8Array(REGIONS_MAX * purgatoryRegion.size);
  for (const [i, region] of regions.entries()) {
    checkMemory(`region ${i + 1}`, region.start, region.length);
    purgatoryRegion.write(block, region, i * purgatoryRegion.size);
  }
  return block;
}

function checkMemory(what: string, start: bigint, size: bigint): void {
  if (start >= 0n && size >= 0n && start + size <= ADDRESS_END) return;
  fail({
    code: "purgatory.range",
    message: `purgatory: ${what}: ${hex(size)} bytes at ${hex(start)} are not in 64 bits of memory`,
  });
}

function checkBackup({ source, destination, size }: PurgatoryBackup): void {
  checkMemory("backup source", source, size);
  checkMemory("backup destination", destination, size);
  const from = { start: source, end: source + size };
  const to = { start: destination, end: destination + size };
  if (size === 0n || !overlaps(from, to)) return;
  fail({
    code: "purgatory.backup",
    message: `purgatory: a backup of ${hex(source)} to ${hex(destination)} overwrites itself`,
  });
}

/** Registers have 32 bits where the kernel's code has fewer than 64; real mode's entry has 16. */
function checkRegisters({ mode = 64, registers }: PurgatoryParameters): void {
  if (mode === 64) return;
  for (const name of REGISTERS) {
    const value = registers[name] ?? 0n;
    if (value < (mode === 16 && name === "rip" ? 64n * KIB : 4n * GIB)) continue;
    fail({
      code: "purgatory.entry",
      message: `purgatory: ${name} ${hex(value)} does not fit the ${mode}-bit entry of the kernel`,
    });
  }
}

/** Only real mode has more to begin with than registers. */
function realModeState({ mode, segments, interrupts }: PurgatoryParameters) {
  if (mode !== 16) return {};
  return { ...segments, flags_16: FLAGS_CLEAN | (interrupts === true ? FLAGS_INTERRUPTS : 0) };
}

function checkBlob(blob: Uint8Array, manifest: PurgatoryManifest): void {
  if (blob.length !== manifest.blobSize) {
    fail({
      code: "purgatory.blob",
      message: `the purgatory has ${blob.length} bytes, its manifest says ${manifest.blobSize}`,
    });
  }
  const { magic, version, block_size } = purgatoryParameters.read(blob, manifest.parameterOffset);
  const known =
    magic === PARAMETERS_MAGIC &&
    version === PARAMETERS_VERSION &&
    block_size === purgatoryParameters.size;
  if (known) return;
  fail({
    code: "purgatory.blob",
    message:
      `the purgatory's parameter block has magic ${hex(magic)}, version ${version}, ` +
      `${block_size} bytes; magic ${hex(PARAMETERS_MAGIC)}, version ${PARAMETERS_VERSION}, ` +
      `${purgatoryParameters.size} bytes are needed`,
  });
}

/**
 * The bytes to load: a copy of `blob` with its parameters filled in. They may go to any multiple of
 * the manifest's alignment; the entry is that address plus `manifest.entryOffset`.
 *
 * @throws KexecError `purgatory.regions` for more than `REGIONS_MAX`, `purgatory.range` for what
 *   reaches beyond 64 bits, `purgatory.backup` for one that overlaps itself,
 *   `purgatory.entry` for a register that a 32 or 16-bit entry cannot have, `purgatory.blob`
 *   where blob and manifest are not of one kind
 * @throws RangeError for a number that its field cannot hold, or a digest of other than 32 bytes
 */
export function buildPurgatory(
  blob: Uint8Array,
  manifest: PurgatoryManifest,
  parameters: PurgatoryParameters,
): Uint8Array {
  checkBlob(blob, manifest);
  const { registers, console, backup } = parameters;
  const regions = parameters.skipChecks ? [] : parameters.regions;
  if (backup !== undefined) checkBackup(backup);
  checkRegisters(parameters);
  const value: Partial<StructValue<typeof purgatoryParameters.fields>> = {
    flags: flagsOf(parameters),
    entry_mode: EntryMode[parameters.mode ?? 64],
    ...realModeState(parameters),
    region_count: regions.length,
    serial_base: console.serialBase,
    serial_baud: console.serialBaud,
    regions: regionsOf(regions),
    backup_source: backup?.source ?? 0n,
    backup_destination: backup?.destination ?? 0n,
    backup_size: backup?.size ?? 0n,
    jump_back_text: parameters.jumpBackText ?? 0n,
  };
  const patched = blob.slice();
  purgatoryParameters.write(patched, value, manifest.parameterOffset);
  // A caller's object may carry more than registers; only registers are taken from it.
  for (const name of REGISTERS) {
    purgatoryParameters.write(patched, { [name]: registers[name] ?? 0n }, manifest.parameterOffset);
  }
  return patched;
}
