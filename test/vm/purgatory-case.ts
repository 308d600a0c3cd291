/**
 * A case of the purgatory's VM tests: the common layout of memory, what is asked of the purgatory,
 * and what differs from that.
 */

import { x86Purgatory } from "../../src/arch/x86-64/purgatory/index.ts";
import {
  buildPurgatory,
  type PurgatoryParameters,
} from "../../src/arch/x86-64/purgatory/parameters.ts";
import { xxHash64 } from "../../src/core/digest.ts";
import type { ConsoleRequest } from "../../src/model/request.ts";
import { purgatoryMemorySize } from "../../src/purgatory/parameters.ts";
import {
  type Memory,
  type Piece,
  type PurgatoryOutcome,
  type PurgatoryRig,
  type PurgatoryRun,
  purgatoryRig,
} from "./purgatory-run.ts";

const { manifest, blob } = x86Purgatory();

export { manifest };

export const MEMORY = purgatoryMemorySize(manifest);
export const PURGATORY = 0x3000000n;
export const KERNEL = 0x2000000n;
export const INITRD = 0x2400000n;
export const BOOT_PARAMS = 0x90000n;
export const SCREEN: Memory = { address: 0xb8000n, length: 4000 };
export const GREETING = "I'm in purgatory\r\n";
export const SILENT: ConsoleRequest = {
  resetVga: false,
  vga: false,
  serial: false,
  serialBase: 0x3f8,
  serialBaud: 0,
};
export const SERIAL: ConsoleRequest = { ...SILENT, serial: true };
export const VGA: ConsoleRequest = { ...SILENT, vga: true };

let shared: PurgatoryRig | undefined;

/** Made when first needed; whoever uses it closes it at the end, and the next user gets another. */
export function rig(): PurgatoryRig {
  if (shared !== undefined) return shared;
  const made = purgatoryRig();
  const close = () => {
    shared = undefined;
    made.close();
  };
  shared = { ...made, close };
  return shared;
}

/** Bytes without a pattern, the same each time. */
export function noise(length: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

export function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ 0x10;
  return copy;
}

export const regionOf = ({ address, bytes }: Piece) => ({
  start: address,
  length: BigInt(bytes.length),
  xxh64: xxHash64(bytes),
});

export interface Case {
  readonly console?: ConsoleRequest;
  readonly parameters?: Partial<PurgatoryParameters>;
  /** What the regions were computed from; the next kernel comes first. */
  readonly pieces?: readonly Piece[];
  /** What memory holds instead. */
  readonly memory?: (pieces: readonly Piece[]) => readonly Piece[];
  readonly dumps?: readonly Memory[];
  readonly patch?: (purgatory: Uint8Array) => void;
  readonly run?: Partial<PurgatoryRun>;
  readonly at?: bigint;
}

export const INITRD_BYTES = noise(300 * 1024 + 17);
export const BOOT_PARAMS_BYTES = noise(4096, 2);

export function standardPieces(dumps: readonly Memory[]): Piece[] {
  return [
    { address: KERNEL, bytes: rig().kernel(dumps) },
    { address: INITRD, bytes: INITRD_BYTES },
    { address: BOOT_PARAMS, bytes: BOOT_PARAMS_BYTES },
  ];
}

export async function outcomeOf(c: Case): Promise<PurgatoryOutcome & { purgatory: Uint8Array }> {
  const at = c.at ?? PURGATORY;
  const pieces = c.pieces ?? standardPieces(c.dumps ?? []);
  const purgatory = buildPurgatory(blob, manifest, {
    registers: { rip: pieces[0]?.address ?? 0n },
    regions: pieces.map(regionOf),
    skipChecks: false,
    console: c.console ?? SILENT,
    ...c.parameters,
  });
  c.patch?.(purgatory);
  const outcome = await rig().run({
    entry: at + BigInt(manifest.entryOffset),
    pieces: [...(c.memory ?? ((same) => same))(pieces), { address: at, bytes: purgatory }],
    purgatory: { start: at, end: at + MEMORY },
    onHalt: c.dumps ?? [],
    ...c.run,
  });
  return { ...outcome, purgatory };
}

export async function kernelOf(c: Case) {
  const outcome = await outcomeOf(c);
  if (outcome.kernel === null) throw new Error(`no kernel: ${JSON.stringify(outcome)}`);
  return { ...outcome, kernel: outcome.kernel };
}
