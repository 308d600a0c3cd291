/**
 * x86_64's part of the purgatory's parameter block: the entry state, `struct entry` of entry.h.
 * src/purgatory/parameters.ts has the head and the regions, which every purgatory has.
 */

import { GIB, hex, KIB } from "../../../core/address.ts";
import { fail } from "../../../core/error.ts";
import { defineStruct, u16, u32, u64 } from "../../../core/struct.ts";
import type { PurgatoryManifest } from "../../../purgatory/manifest.ts";
import { type HeadParameters, purgatoryHead, withHead } from "../../../purgatory/parameters.ts";

/** Values of `entry_mode`, by the width of the code that is entered. */
export const EntryMode = { 64: 0, 32: 1, 16: 2 } as const;

/** `struct entry` of entry.h. Offsets count from the start of the block. */
export const purgatoryEntry = defineStruct("purgatory entry", purgatoryHead.fields.regions.offset, {
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
});

/** The block's registers, in its order. */
const REGISTERS = [
  ...(["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp", "r8", "r9"] as const),
  ...(["r10", "r11", "r12", "r13", "r14", "r15", "rip"] as const),
] as const;

/** The registers with which the kernel is entered. Absent registers are 0, except `rsp`: if that is
 * absent or 0, the kernel gets the purgatory's own stack. */
export type PurgatoryRegisters = { readonly rip: bigint } & {
  readonly [R in (typeof REGISTERS)[number]]?: bigint | undefined;
};

/** The segment registers for real mode. */
export type PurgatorySegments = {
  readonly [S in "cs" | "ds" | "es" | "ss" | "fs" | "gs"]: number;
};

/** Bits of the flags register for real mode: the bit that is always set, and IF. */
const FLAGS_CLEAN = 0x002;
const FLAGS_INTERRUPTS = 0x200;

export interface PurgatoryParameters extends HeadParameters {
  /** Absent: 64. With 32 the purgatory must lie below 4 GiB, and only the eight registers of 32-bit
   * code are set; with 16 it must lie below 1 MiB, and `segments` are set too. */
  readonly mode?: keyof typeof EntryMode | undefined;
  readonly registers: PurgatoryRegisters;
  /** For mode 16, in which `rsp` has no default; absent: all 0. */
  readonly segments?: PurgatorySegments | undefined;
  /** For mode 16: whether interrupts are enabled. */
  readonly interrupts?: boolean | undefined;
  /** Physical address of the command line's NUL, where the purgatory appends the address to jump
   * back to; `JUMP_BACK_ROOM` bytes behind it are free. */
  readonly jumpBackText?: bigint | undefined;
}

/** Registers have 32 bits in modes 32 and 16; the entry point of mode 16 has 16 bits. */
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

/** Segment registers and flags, for real mode only. */
function realModeState({ mode, segments, interrupts }: PurgatoryParameters) {
  if (mode !== 16) return {};
  return { ...segments, flags_16: FLAGS_CLEAN | (interrupts === true ? FLAGS_INTERRUPTS : 0) };
}

/**
 * The bytes to load: a copy of `blob` with its parameters filled in. They may be loaded at any
 * multiple of the manifest's alignment; the entry point is at `manifest.entryOffset` from there.
 *
 * @throws KexecError and RangeError as `withHead`, and KexecError `purgatory.entry` for a register
 *   that a 32 or 16-bit entry cannot have
 */
export function buildPurgatory(
  blob: Uint8Array,
  manifest: PurgatoryManifest,
  parameters: PurgatoryParameters,
): Uint8Array {
  const patched = withHead(blob, manifest, parameters);
  checkRegisters(parameters);
  const { registers, mode = 64, jumpBackText = 0n } = parameters;
  const value = {
    entry_mode: EntryMode[mode],
    ...realModeState(parameters),
    jump_back_text: jumpBackText,
  };
  purgatoryEntry.write(patched, value, manifest.parameterOffset);
  // A caller's object may have more fields than registers; only registers are copied.
  for (const name of REGISTERS) {
    purgatoryEntry.write(patched, { [name]: registers[name] ?? 0n }, manifest.parameterOffset);
  }
  return patched;
}
