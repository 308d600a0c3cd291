/** Xen's note about itself in a dump. [xen xen/include/xen/elfcore.h crash_xen_info_t] */

import { Reader } from "../core/bytes.ts";
import type { CoreFile } from "./core-file.ts";
import type { CoreHeader } from "./elf-header.ts";
import type { Note } from "./notes.ts";

const NAME = "Xen\0";
/** [xen xen/include/public/elfnote.h] */
const XEN_ELFNOTE_CRASH_INFO = 0x1000001;
/** The structure has ten numbers of 8 bytes; this is the offset of the last one. */
const FRAME_LIST_LIST = 72;
const SIZE = 80;

export interface XenCrashInfo {
  /** `dom0_pfn_to_mfn_frame_list_list`: the machine frame of the list by which dom0's memory is
   * found; null where dom0 had not set it. */
  readonly frameListList: bigint | null;
}

/** The contents of Xen's note; null for any other note. */
export function xenCrashInfo(
  file: CoreFile,
  { littleEndian }: CoreHeader,
  { name, type, offset, size }: Note,
): XenCrashInfo | null {
  if (name !== NAME || type !== XEN_ELFNOTE_CRASH_INFO) return null;
  const bytes = file.read(offset, Math.min(size, SIZE));
  if (bytes.length < SIZE) return { frameListList: null };
  const frame = new Reader(bytes, "crash_xen_info_t", littleEndian).u64(FRAME_LIST_LIST);
  return { frameListList: frame === 0n || frame >= 1n << 52n ? null : frame };
}
