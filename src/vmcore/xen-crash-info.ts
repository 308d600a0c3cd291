/** What Xen leaves of itself in a dump. [xen xen/include/xen/elfcore.h crash_xen_info_t] */

import { Reader } from "../core/bytes.ts";
import type { CoreFile } from "./core-file.ts";
import type { CoreHeader } from "./elf-header.ts";
import type { Note } from "./notes.ts";

const NAME = "Xen\0";
/** [xen xen/include/public/elfnote.h] */
const XEN_ELFNOTE_CRASH_INFO = 0x1000001;
/** Ten numbers of 8 bytes; this is the last. */
const FRAME_LIST_LIST = 72;
const SIZE = 80;

export interface XenCrashInfo {
  /** `dom0_pfn_to_mfn_frame_list_list`, a machine frame: where dom0's memory is; null where dom0
   * had not said. */
  readonly frameListList: bigint | null;
}

/** Xen's note; null for any other. */
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
