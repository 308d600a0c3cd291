/**
 * The memory of a PV dom0 in a dump of the whole machine. dom0's page tables contain machine
 * addresses, and so translate dom0's virtual addresses to them. vmcoreinfo has only dom0's own
 * address of the top-level table; the frame lists that dom0 gave Xen translate it to a machine
 * address. [xen xen/include/public/arch-x86/xen.h pfn_to_mfn_frame_list_list]
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
/** Frame numbers, of 8 bytes each, in a page of a list. */
const FRAMES = 512n;

export class Dom0Memory {
  readonly #read: ReadPhysical;
  readonly #tables: bigint | null;

  /** @param frameListList machine frame from Xen's crash information; null: dom0 had not set it */
  constructor(read: ReadPhysical, frameListList: bigint | null, info: Vmcoreinfo) {
    this.#read = read;
    this.#tables = frameListList === null ? null : this.#findTables(frameListList, info);
  }

  /** The machine address of a virtual one; null where it is not mapped, or a page table is
   * unreadable. */
  machineOf(address: bigint): bigint | null {
    if (this.#tables === null) return null;
    const tables = { read: this.#read, top: this.#tables, levels: 4 } as const;
    return walkX86PageTables({ ...tables, frameMask: X86_FRAME_MASK }, address);
  }

  /** The machine address of dom0's top-level page table. */
  #findTables(frameListList: bigint, info: Vmcoreinfo): bigint | null {
    const symbol = info.symbol("swapper_pg_dir") ?? info.symbol("init_top_pgt");
    const physBase = info.number("NUMBER(phys_base)");
    if (symbol === null || physBase === null) return null;
    const physical = BigInt.asUintN(64, symbol - START_KERNEL_MAP + physBase);
    const frame = this.#machineFrame(frameListList, physical / PAGE);
    return frame === null ? null : frame * PAGE + (physical % PAGE);
  }

  /** The machine frame of dom0's frame `frame`, by three levels of lists: each has the machine
   * frames of the pages of the next. */
  #machineFrame(frameListList: bigint, frame: bigint): bigint | null {
    let list: bigint | null = frameListList;
    for (const index of [frame / (FRAMES * FRAMES), frame / FRAMES, frame]) {
      if (list === null || index >= FRAMES ** 3n) return null;
      list = readEntry(this.#read, list * PAGE + (index % FRAMES) * 8n);
    }
    return list === null || list === 0n || list >= 1n << 52n ? null : list;
  }
}
