/**
 * Kexec handover (KHO): memory that the running kernel keeps for the next one, and hands over where
 * kexec_file_load has loaded that one. [linux Documentation/admin-guide/mm/kho.rst]
 *
 * Its debugfs says where the scratch areas are, which hold nothing that is kept and which the next
 * kernel allocates from first; and it has the trees of those who keep something. One of them, that
 * of `reserve_mem=`, names addresses. The list of all kept pages is in kernel memory alone.
 */

import { ADDRESS_END } from "../core/address.ts";
import { Reader, textOf } from "../core/bytes.ts";
import { fail } from "../core/error.ts";
import { normalize, type Range, rangeOf } from "../core/range.ts";
import { defineStruct, u32 } from "../core/struct.ts";
import { lastKernelParameter } from "./kernel-parameter.ts";
import { parseNumber } from "./sysfs-number.ts";

/** Below the debugfs: what is handed to the next kernel. The folder is there while KHO is on. */
export const KHO_OUT = "kho/out";
/** Where debugfs is usually mounted. */
export const DEBUGFS = "/sys/kernel/debug";
/** A device of the kernel's that needs KHO: it is there while KHO is on. */
export const LIVE_UPDATE = "/dev/liveupdate";

/**
 * Whether `kho=` turns KHO on (true) or off (false); null where the command line does not say, or
 * says nothing that the kernel understands. The last one counts. [linux lib/kstrtox.c kstrtobool]
 */
export function khoByCommandLine(commandLine: string): boolean | null {
  const value = lastKernelParameter(commandLine, "kho")?.toLowerCase();
  if (value === undefined) return null;
  if (/^(?:[yt1]|on)/.test(value)) return true;
  return /^(?:[nf0]|of)/.test(value) ? false : null;
}

const lines = (text: string) => text.split("\n").filter((line) => line.trim() !== "");

/**
 * The scratch areas: the files scratch_phys and scratch_len have a number for each, one a line.
 * @throws KexecError `facts.number`, `facts.kho` where they do not go together
 */
export function parseScratch(phys: string, len: string, directory: string): Range[] {
  const starts = lines(phys).map((line) => parseNumber(line, `${directory}/scratch_phys`));
  const sizes = lines(len).map((line) => parseNumber(line, `${directory}/scratch_len`));
  const areas = starts.map((start, i) => rangeOf({ start, size: sizes[i] ?? 0n }));
  if (starts.length === sizes.length && areas.every(({ end }) => end <= ADDRESS_END)) {
    return normalize(areas);
  }
  return fail({
    code: "facts.kho",
    message: `${directory}/scratch_phys and scratch_len do not go together`,
  });
}

const MAGIC = 0xd00dfeed;
const [BEGIN_NODE, END_NODE, PROP, NOP, END] = [1, 2, 3, 4, 9] as const;
/** [devicetree-spec §5.2] */
const FdtHeader = defineStruct("fdt_header", 40, {
  magic: u32(0),
  totalsize: u32(4),
  off_dt_struct: u32(8),
  off_dt_strings: u32(12),
  size_dt_strings: u32(32),
  size_dt_struct: u32(36),
});

/** Not by bits: what a damaged tree adds up to has more than 32. */
const up4 = (at: number) => Math.ceil(at / 4) * 4;

/** Where the text at `at` ends: at its NUL. */
function endOfText(bytes: Uint8Array, at: number): number {
  const end = bytes.indexOf(0, at);
  return end < 0 ? bytes.length : end;
}

/** A node's `start` and `size`, as far as they were met. */
interface Node {
  start: bigint | null;
  size: bigint | null;
}

/**
 * The memory that a tree's nodes name by `start` and `size`, 8 bytes each in the machine's own byte
 * order, as that of `reserve_mem=` does. Other trees have none.
 * @throws KexecError `facts.kho` for what is no flattened device tree, `struct.truncated`
 */
export function keptByTree(bytes: Uint8Array, file: string): Range[] {
  const header = FdtHeader.read(bytes, 0, false);
  if (header.magic !== MAGIC) damaged(file);
  const reader = new Reader(bytes, "KHO's device tree", false);
  const end = header.off_dt_struct + header.size_dt_struct;
  const open: Node[] = [];
  const found: Range[] = [];
  for (let at = header.off_dt_struct; at < end; ) {
    const token = reader.u32(at);
    at += 4;
    if (token === END) return normalize(found);
    if (token === BEGIN_NODE) {
      open.push({ start: null, size: null });
      at = up4(endOfText(bytes, at) + 1);
    } else if (token === END_NODE) {
      const { start, size } = open.pop() ?? damaged(file);
      if (start !== null && size !== null && start + size <= ADDRESS_END) {
        found.push(rangeOf({ start, size }));
      }
    } else if (token === PROP) {
      const length = reader.u32(at);
      const name = header.off_dt_strings + reader.u32(at + 4);
      const node = open.at(-1) ?? damaged(file);
      setProperty(
        node,
        textOf(bytes.subarray(name, endOfText(bytes, name))),
        bytes,
        at + 8,
        length,
      );
      at = up4(at + 8 + length);
    } else if (token !== NOP) damaged(file);
  }
  return damaged(file);
}

function setProperty(node: Node, name: string, bytes: Uint8Array, at: number, length: number) {
  if (length !== 8 || (name !== "start" && name !== "size")) return;
  node[name] = new Reader(bytes, "KHO's device tree", true).u64(at);
}

function damaged(file: string): never {
  return fail({
    code: "facts.kho",
    message: `${file}: no flattened device tree, or a damaged one`,
  });
}
