/**
 * The part of the parameter block that all purgatories share: the tables of contract.h's head and
 * regions, and the function that fills them in. Each architecture fills in its own part, which
 * describes how the next kernel is entered. Pure.
 */

import { ADDRESS_END, hex } from "../core/address.ts";
import { fail } from "../core/error.ts";
import { overlaps } from "../core/range.ts";
import { blob as bytes, defineStruct, u32, u64 } from "../core/struct.ts";
import type { ConsoleRequest } from "../model/request.ts";
import type { PurgatoryManifest } from "./manifest.ts";

/** The bytes "onekexec" in memory. */
export const PARAMETERS_MAGIC = 0x636578656b656e6fn;
export const PARAMETERS_VERSION = 2;
/** The most regions of one block. */
export const REGIONS_MAX = 16;

/** Bits of `flags`. */
export const ParameterFlag = {
  skipChecks: 0x01,
  consoleVga: 0x02,
  consoleSerial: 0x04,
  resetVga: 0x08,
} as const;

/** `struct region` of contract.h. */
export const purgatoryRegion = defineStruct("purgatory region", 0x18, {
  start: u64(0x00),
  length: u64(0x08),
  xxh64: u64(0x10),
});

/**
 * `struct parameters` of contract.h without `entry`, the bytes from `ENTRY_START` to the regions,
 * for which each architecture has its own table. Offsets are from the start of the block.
 */
export const purgatoryHead = defineStruct("purgatory parameters", 0x280, {
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
  regions: bytes(0x100, REGIONS_MAX * purgatoryRegion.size),
});

/** The offset of an architecture's own part in the block, in bytes; it ends at `regions`. */
export const ENTRY_START = 0x03c;

/** Memory whose digest the purgatory checks. */
export interface PurgatoryRegion {
  readonly start: bigint;
  /** In bytes; the digest is over these bytes, without the zeros that fill the last page. */
  readonly length: bigint;
  /** XXH64 of the bytes with seed 0. */
  readonly xxh64: bigint;
}

/** Memory that the purgatory copies after the checks, for a dump; addresses, and size in bytes. */
export interface PurgatoryBackup {
  readonly source: bigint;
  readonly destination: bigint;
  readonly size: bigint;
}

/** The parameters that every purgatory has. */
export interface HeadParameters {
  readonly regions: readonly PurgatoryRegion[];
  /** Start the kernel without checks; `regions` is then ignored. */
  readonly skipChecks: boolean;
  readonly console: ConsoleRequest;
  readonly backup?: PurgatoryBackup | undefined;
}

/** The memory for the blob and its stack, in bytes, a multiple of its alignment. */
export function purgatoryMemorySize(manifest: PurgatoryManifest): bigint {
  return BigInt(manifest.memorySize);
}

function flagsOf({ skipChecks, console }: HeadParameters): number {
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
      message: `the purgatory can check ${REGIONS_MAX} segments, the plan has ${regions.length}`,
      hint: "Join modules, or load with --no-checks.",
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
    message: `purgatory: ${what}: ${hex(size)} bytes at ${hex(start)} exceed 64-bit addresses`,
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
    message: `purgatory: backup source ${hex(source)} and destination ${hex(destination)} overlap`,
  });
}

function checkBlob(blob: Uint8Array, manifest: PurgatoryManifest): void {
  if (blob.length !== manifest.blobSize) {
    fail({
      code: "purgatory.blob",
      message: `the purgatory has ${blob.length} bytes, its manifest says ${manifest.blobSize}`,
    });
  }
  const { magic, version, block_size } = purgatoryHead.read(blob, manifest.parameterOffset);
  const known =
    magic === PARAMETERS_MAGIC &&
    version === PARAMETERS_VERSION &&
    block_size === purgatoryHead.size;
  if (known) return;
  fail({
    code: "purgatory.blob",
    message:
      `the purgatory's parameter block has magic ${hex(magic)}, version ${version}, ` +
      `${block_size} bytes; magic ${hex(PARAMETERS_MAGIC)}, version ${PARAMETERS_VERSION}, ` +
      `${purgatoryHead.size} bytes are needed`,
  });
}

/**
 * A copy of `blob` with the head and the regions of its parameter block filled in.
 *
 * @throws KexecError `purgatory.regions` for more than `REGIONS_MAX`, `purgatory.range` for memory
 *   beyond 64-bit addresses, `purgatory.backup` where source and destination overlap,
 *   `purgatory.blob` where the blob does not match its manifest or the version of the block
 * @throws RangeError for a number that its field cannot hold
 */
export function withHead(
  blob: Uint8Array,
  manifest: PurgatoryManifest,
  parameters: HeadParameters,
): Uint8Array {
  checkBlob(blob, manifest);
  const { console, backup } = parameters;
  const regions = parameters.skipChecks ? [] : parameters.regions;
  if (backup !== undefined) checkBackup(backup);
  const patched = blob.slice();
  const value = {
    flags: flagsOf(parameters),
    region_count: regions.length,
    serial_base: console.serialBase,
    serial_baud: console.serialBaud,
    regions: regionsOf(regions),
    backup_source: backup?.source ?? 0n,
    backup_destination: backup?.destination ?? 0n,
    backup_size: backup?.size ?? 0n,
  };
  purgatoryHead.write(patched, value, manifest.parameterOffset);
  return patched;
}
