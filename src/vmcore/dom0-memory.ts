/**
 * The memory of a PV dom0 in a dump of the whole machine: the machine address of a virtual one, by
 * dom0's own page tables, which hold machine addresses. Where they begin is known in dom0's terms,
 * and found by the list of frames that dom0 gave Xen.
 * [xen xen/include/public/arch-x86/xen.h pfn_to_mfn_frame_list_list]
 * [linux arch/x86/xen/p2m.c xen_build_mfn_list_list]
 */

import { Reader } from "../core/bytes.ts";
import type { Vmcoreinfo } from "./vmcoreinfo.ts";

/** `length` bytes at a machine address; fewer where the core has no more. */
export type ReadMachine = (address: bigint, length: number) => Uint8Array;

const PAGE = 4096n;
/** 8-byte frame numbers in a page of a list. */
const FRAMES = 512n;
const LEVELS = [39n, 30n, 21n, 12n] as const;
const PRESENT = 1n;
const LARGE = 0x80n;
const FRAME_MASK = 0x000f_ffff_ffff_f000n;
/** Where Linux is mapped: virtual less physical address, but for `phys_base`.
 * [linux arch/x86/include/asm/page_64_types.h] */
const START_KERNEL_MAP = 0xffffffff80000000n;

export class Dom0Memory {
  readonly #read: ReadMachine;
  readonly #tables: bigint | null;

  /** @param frameListList of Xen's crash information; null: dom0 had not said */
  constructor(read: ReadMachine, frameListList: bigint | null, info: Vmcoreinfo) {
    this.#read = read;
    this.#tables = frameListList === null ? null : this.#findTables(frameListList, info);
  }

  /** The machine address; null where nothing is mapped, or what maps it cannot be read. */
  machineOf(address: bigint): bigint | null {
    let table = this.#tables;
    if (table === null) return null;
    for (const shift of LEVELS) {
      const entry = this.#number(table + ((address >> shift) % FRAMES) * 8n);
      if (entry === null || (entry & PRESENT) === 0n) return null;
      const inside = address % (1n << shift);
      if (shift === 12n) return (entry & FRAME_MASK) + inside;
      const large = shift < 39n && (entry & LARGE) !== 0n;
      if (large) return (entry & FRAME_MASK & ~((1n << shift) - 1n)) + inside;
      table = entry & FRAME_MASK;
    }
    return null;
  }

  #number(at: bigint): bigint | null {
    const bytes = this.#read(at, 8);
    return bytes.length < 8 ? null : new Reader(bytes, "machine memory").u64(0);
  }

  /** The machine address of dom0's highest page table. */
  #findTables(frameListList: bigint, info: Vmcoreinfo): bigint | null {
    const symbol = info.symbol("swapper_pg_dir") ?? info.symbol("init_top_pgt");
    const physBase = info.number("NUMBER(phys_base)");
    if (symbol === null || physBase === null) return null;
    const physical = BigInt.asUintN(64, symbol - START_KERNEL_MAP + physBase);
    const frame = this.#machineFrame(frameListList, physical / PAGE);
    return frame === null ? null : frame * PAGE + (physical % PAGE);
  }

  /** Three lists of machine frames, each of which names the pages of the next. */
  #machineFrame(frameListList: bigint, frame: bigint): bigint | null {
    let list: bigint | null = frameListList;
    for (const index of [frame / (FRAMES * FRAMES), frame / FRAMES, frame]) {
      if (list === null || index >= FRAMES ** 3n) return null;
      list = this.#number(list * PAGE + (index % FRAMES) * 8n);
    }
    return list === null || list === 0n || list >= 1n << 52n ? null : list;
  }
}
