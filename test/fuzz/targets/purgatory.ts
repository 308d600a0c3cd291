/** The purgatory: its manifest, its blob, and the parameters that a plan writes into it. */

import { x86Purgatory } from "../../../src/arch/x86-64/purgatory/index.ts";
import {
  buildPurgatory,
  type PurgatoryParameters,
  purgatoryEntry,
} from "../../../src/arch/x86-64/purgatory/parameters.ts";
import { Writer } from "../../../src/core/bytes.ts";
import { purgatoryOf } from "../../../src/purgatory/manifest.ts";
import { bytesTarget, textTarget } from "../target.ts";

const REGISTERS = [
  ...(["rip", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp"] as const),
  ...(["rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"] as const),
] as const;
const REGION = 24;
const MODES = [64, 32, 16] as const;

/** What is where in an input, in bytes; regions follow, 24 bytes each. */
const AT = { mode: 0, flags: 1, serial: 2, baud: 4, backup: 8, jumpBack: 32, registers: 40 };
const REGIONS_AT = AT.registers + REGISTERS.length * 8;

function parametersOf(input: Uint8Array): PurgatoryParameters {
  const bytes = new Uint8Array(Math.max(input.length, REGIONS_AT));
  bytes.set(input);
  const view = new DataView(bytes.buffer);
  const u64 = (at: number): bigint => view.getBigUint64(at, true);
  const flags = view.getUint8(AT.flags);
  const count = Math.floor((bytes.length - REGIONS_AT) / REGION);
  const registers = REGISTERS.map((name, i) => [name, u64(AT.registers + i * 8)]);
  return {
    mode: MODES[view.getUint8(AT.mode) % MODES.length],
    registers: { rip: 0n, ...Object.fromEntries(registers) },
    interrupts: (flags & 1) !== 0,
    skipChecks: (flags & 2) !== 0,
    jumpBackText: u64(AT.jumpBack),
    console: {
      ...{ resetVga: (flags & 4) !== 0, vga: (flags & 8) !== 0, serial: (flags & 16) !== 0 },
      ...{ serialBase: view.getUint16(AT.serial, true), serialBaud: view.getUint32(AT.baud, true) },
    },
    backup: { source: u64(AT.backup), destination: u64(AT.backup + 8), size: u64(AT.backup + 16) },
    regions: Array.from({ length: count }, (_, i) => {
      const at = REGIONS_AT + i * REGION;
      return { start: u64(at), length: u64(at + 8), xxh64: u64(at + 16) };
    }),
  };
}

/** The registers of a loaded bzImage, and three segments. */
function valid(): Uint8Array {
  const bytes = new Uint8Array(REGIONS_AT + 3 * REGION);
  const writer = new Writer(bytes);
  writer.u64(AT.backup, 0x1000n);
  writer.u64(AT.backup + 8, 0x2c00_0000n);
  writer.u64(AT.backup + 16, 0x9e000n);
  REGISTERS.forEach((_, i) => {
    writer.u64(AT.registers + i * 8, BigInt(0x1000 * (i + 1)));
  });
  for (let i = 0; i < 3; i += 1) {
    writer.u64(REGIONS_AT + i * REGION, BigInt(0x100_0000 * (i + 1)));
    writer.u64(REGIONS_AT + i * REGION + 8, 0x4321n);
    writer.u64(REGIONS_AT + i * REGION + 16, 0xef46_db37_51d8_e999n);
  }
  return bytes;
}

/** What was written is what is read back, and nothing but the parameters is another. */
function writeParameters(input: Uint8Array): void {
  const { blob, manifest } = x86Purgatory();
  const parameters = parametersOf(input);
  const built = buildPurgatory(blob, manifest, parameters);
  if (built.length !== blob.length) throw new Error(`${built.length} bytes, not ${blob.length}`);
  const entry = purgatoryEntry.read(built, manifest.parameterOffset);
  for (const name of REGISTERS) {
    const wanted = parameters.registers[name] ?? 0n;
    if (entry[name] !== wanted) throw new Error(`${name} is ${entry[name]}, not ${wanted}`);
  }
}

/** A manifest that is none, or is that of another blob, is refused. */
function readManifest(text: string): void {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return;
    throw error;
  }
  const { manifest, blob } = purgatoryOf(json, x86Purgatory().blob);
  buildPurgatory(blob, manifest, parametersOf(valid()));
}

const readBlob = (blob: Uint8Array): unknown =>
  buildPurgatory(blob, x86Purgatory().manifest, parametersOf(valid()));

export const PURGATORY = [
  bytesTarget("purgatory/parameters", () => [valid()], writeParameters),
  bytesTarget("purgatory/blob", () => [x86Purgatory().blob], readBlob),
  textTarget(
    "purgatory/manifest",
    [JSON.stringify(x86Purgatory().manifest, null, 2)],
    readManifest,
  ),
];
