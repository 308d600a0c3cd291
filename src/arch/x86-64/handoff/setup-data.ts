/**
 * The setup_data chain: a linked list that the zero page points to, for data that do not fit into
 * it. This file lays the nodes out; e820.ts, efi-info.ts and the caller supply their contents.
 *
 * [linux Documentation/arch/x86/boot.rst "setup_data"]
 * [linux arch/x86/include/uapi/asm/setup_data.h]
 */

import { alignUp, hex } from "../../../core/address.ts";
import { defineStruct, u32, u64 } from "../../../core/struct.ts";

/** Types of nodes. */
export const SETUP_NONE = 0;
export const SETUP_E820_EXT = 1;
export const SETUP_DTB = 2;
export const SETUP_PCI = 3;
export const SETUP_EFI = 4;
export const SETUP_APPLE_PROPERTIES = 5;
export const SETUP_JAILHOUSE = 6;
export const SETUP_CC_BLOB = 7;
export const SETUP_IMA = 8;
export const SETUP_RNG_SEED = 9;
export const SETUP_KEXEC_KHO = 10;

/** Bytes of the random seed that kexec-tools and Linux's own loader pass to the next kernel. */
export const RNG_SEED_LENGTH = 32;

/** The header of a node; the data follow it. */
export const SetupData = defineStruct("setup_data", 16, {
  /** Physical address of the next node; 0: this is the last. */
  next: u64(0),
  type: u32(8),
  /** Bytes of data, without this header. */
  len: u32(12),
});

export interface SetupDataNode {
  readonly type: number;
  readonly data: Uint8Array;
}

/** Nodes, and so their data, start at multiples of this: libfdt needs a device tree at a multiple
 * of 8, and Linux's own loader aligns its first node to 16. */
export const SETUP_DATA_ALIGNMENT = 16n;

/** Bytes that `layoutSetupData` needs for these nodes. */
export function setupDataSize(nodes: readonly SetupDataNode[]): number {
  return nodes.reduce((size, node) => size + nodeSize(node), 0);
}

/**
 * All nodes in order, as contiguous bytes for the physical address `base`, and the address of the
 * first node (0 if there are none).
 *
 * kexec-tools uses one segment, and so at least a page, for each node, but kexec_load takes only 16
 * segments. Linux does not need a page for each node: all code that walks the chain uses only the
 * bytes [node, node + 16 + len), and Linux's own loader also packs its nodes into the end of the
 * boot_params segment [linux arch/x86/kernel/kexec-bzimage64.c].
 * The walkers are:
 * - the decompressor's KASLR, which avoids each node's bytes [boot/compressed/kaslr.c
 *   mem_avoid_overlap], and its page tables, which map 2 MiB around each [ident_map_64.c];
 * - the kernel's reservation, which is by byte [kernel/setup.c
 *   memblock_x86_reserve_range_setup_data]; until 6.14 also [kernel/e820.c
 *   e820__reserve_setup_data], which adds all ranges to memblock, where they merge;
 * - parse_setup_data, which maps a node, and of an RNG seed clears only its data and its `len`
 *   [kernel/setup.c];
 * - `/sys/kernel/boot_params/setup_data`, and memremap's check whether an address is setup_data
 *   [kernel/ksysfs.c, mm/ioremap.c memremap_is_setup_data].
 *
 * @throws RangeError if `base` is 0, which ends a chain, or is not a multiple of 16: a bug
 */
export function layoutSetupData(
  nodes: readonly SetupDataNode[],
  base: bigint,
): { readonly bytes: Uint8Array; readonly head: bigint } {
  if (base <= 0n || base % SETUP_DATA_ALIGNMENT !== 0n) {
    throw new RangeError(`setup_data cannot start at ${hex(base)}`);
  }
  const bytes = new Uint8Array(setupDataSize(nodes));
  let at = 0;
  for (const [index, node] of nodes.entries()) {
    const end = at + nodeSize(node);
    const next = index + 1 < nodes.length ? base + BigInt(end) : 0n;
    SetupData.write(bytes, { next, type: node.type, len: node.data.length }, at);
    bytes.set(node.data, at + SetupData.size);
    at = end;
  }
  return { bytes, head: nodes.length > 0 ? base : 0n };
}

function nodeSize(node: SetupDataNode): number {
  return Number(alignUp(BigInt(SetupData.size + node.data.length), SETUP_DATA_ALIGNMENT));
}
