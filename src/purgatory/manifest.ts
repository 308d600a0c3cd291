/**
 * A purgatory's manifest: the layout of its blob, and the hashes with which `scripts/purgatory.ts
 * check` proves that blob, listing and sources belong together.
 */

import { fail } from "../core/error.ts";
import { ARCHITECTURES, type Architecture } from "../model/architecture.ts";

export interface PurgatoryManifest {
  readonly architecture: Architecture;
  /** The version of the parameter block. */
  readonly version: number;
  /** Length of the blob, in bytes. */
  readonly blobSize: number;
  /** Memory for the blob and the stack that follows it, in bytes, a multiple of `alignment`. */
  readonly memorySize: number;
  /** Alignment of its address, in bytes, a power of two. */
  readonly alignment: number;
  /** Offset of the entry point in the blob, in bytes: the running kernel jumps there. */
  readonly entryOffset: number;
  /** Offset of the parameter block in the blob, in bytes. */
  readonly parameterOffset: number;
  /** First lines of `gcc --version` and `ld --version`. */
  readonly compiler: string;
  readonly linker: string;
  /** SHA-256 of the blob, in hexadecimal. */
  readonly sha256: string;
  /** SHA-256 of the disassembly. */
  readonly listingSha256: string;
  /** SHA-256 of each source file, by its path from src/. */
  readonly sources: Readonly<Record<string, string>>;
}

function bad(what: string): never {
  fail({ code: "purgatory.manifest", message: `purgatory manifest: ${what}` });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function whole(record: Record<string, unknown>, name: string): number {
  const value = record[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  return bad(`${name} is ${JSON.stringify(value)}; a whole number is needed`);
}

function text(record: Record<string, unknown>, name: string): string {
  const value = record[name];
  if (typeof value === "string" && value !== "") return value;
  return bad(`${name} is ${JSON.stringify(value)}; a text is needed`);
}

function hash(record: Record<string, unknown>, name: string): string {
  const value = text(record, name);
  return /^[0-9a-f]{64}$/.test(value) ? value : bad(`${name} is "${value}"; SHA-256 is needed`);
}

/**
 * Reads a manifest from a JSON value.
 * @throws KexecError `purgatory.manifest` naming the first field that is missing or invalid
 */
export function parseManifest(json: unknown): PurgatoryManifest {
  if (!isRecord(json)) bad("not an object");
  const name = text(json, "architecture");
  const architecture = ARCHITECTURES.find((known) => known === name);
  if (architecture === undefined) bad(`unknown architecture ${name}`);
  const { sources } = json;
  if (!isRecord(sources) || Object.keys(sources).length === 0) bad("no sources");
  const manifest: PurgatoryManifest = {
    architecture,
    version: whole(json, "version"),
    blobSize: whole(json, "blobSize"),
    memorySize: whole(json, "memorySize"),
    alignment: whole(json, "alignment"),
    entryOffset: whole(json, "entryOffset"),
    parameterOffset: whole(json, "parameterOffset"),
    compiler: text(json, "compiler"),
    linker: text(json, "linker"),
    sha256: hash(json, "sha256"),
    listingSha256: hash(json, "listingSha256"),
    sources: Object.fromEntries(Object.keys(sources).map((file) => [file, hash(sources, file)])),
  };
  const { alignment, blobSize, memorySize, entryOffset, parameterOffset } = manifest;
  if (alignment === 0 || (alignment & (alignment - 1)) !== 0) {
    bad(`alignment ${alignment} is not a power of two`);
  }
  if (memorySize % alignment !== 0) bad(`memorySize ${memorySize} is not a multiple of alignment`);
  if (blobSize > memorySize) bad(`blobSize ${blobSize} is more than memorySize ${memorySize}`);
  if (entryOffset >= blobSize) bad(`entryOffset ${entryOffset} lies outside the blob`);
  if (parameterOffset >= blobSize) bad(`parameterOffset ${parameterOffset} lies outside the blob`);
  return manifest;
}

/** A purgatory as built, without parameters. */
export interface Purgatory {
  readonly manifest: PurgatoryManifest;
  /** Shared, so that no one may write to it: `withHead` fills the parameters into a copy. */
  readonly blob: Uint8Array;
}

/** @throws KexecError `purgatory.manifest` as `parseManifest` */
export const purgatoryOf = (manifest: unknown, blob: Uint8Array): Purgatory => ({
  manifest: parseManifest(manifest),
  blob,
});
