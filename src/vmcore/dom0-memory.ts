/**
 * The memory of a PV dom0 in a dump of the whole machine: the machine address of a virtual one, by
 * dom0's own page tables, which hold machine addresses. Where they begin is known in dom0's terms,
 * and found by the list of frames that dom0 gave Xen.
 * [xen xen/include/public/arch-x86/xen.h pfn_to_mfn_frame_list_list]
 * [linux arch/x86/xen/p2m.c xen_build_mfn_list_list]
 */

import type { Vmcoreinfo } from "./vmcoreinfo.ts";
import {
  type ReadPhysical,
  readEntry,
  START_KERNEL_MAP,
  walkX86PageTables,
  X86_FRAME_MASK,
} from "./x86-page-tables.ts";

const PAGE = 4096n;
/** 8-byte frame numbers in a page of a list. */
const FRAMES = 512n;

export class Dom0Memory {
  readonly #read: ReadPhysical;
  readonly #tables: bigint | null;

  /** @param frameListList of Xen's crash information; null: dom0 had not said */
  constructor(read: ReadPhysical, frameListList: bigint | null, info: Vmcoreinfo) {
    this.#read = read;
    this.#tables = frameListList === null ? null : this.#findTables(frameListList, info);
  }

  /** The machine address; null where nothing is mapped, or what maps it cannot be read. */
  machineOf(address: bigint): bigint | null {
    if (this.#tables === null) return null;
    const tables = { read: this.#read, top: this.#tables, levels: 4 } as const;
    return walkX86PageTables({ ...tables, frameMask: X86_FRAME_MASK }, address);
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
      list = readEntry(this.#read, list * PAGE + (index % FRAMES) * 8n);
    }
    return list === null || list === 0n || list >= 1n << 52n ? null : list;
  }
}
