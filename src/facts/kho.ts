/**
 * Kexec handover (KHO): memory that the running kernel keeps for the next one. Only a kernel that
 * kexec_file_load has loaded gets it. [linux Documentation/admin-guide/mm/kho.rst]
 *
 * KHO's folder in debugfs has the addresses of the scratch areas, which have no kept pages and from
 * which the next kernel allocates first; and a device tree of each subsystem that keeps memory. The
 * tree of `reserve_mem=` has addresses. The list of all kept pages is in kernel memory only.
 */

import { ADDRESS_END } from "../core/address.ts";
import { Reader, textOf } from "../core/bytes.ts";
import { fail } from "../core/error.ts";
import { normalize, type Range, rangeOf } from "../core/range.ts";
import { defineStruct, u32 } from "../core/struct.ts";
import { kernelParameterValue } from "./kernel-parameter.ts";
import { parseNumber } from "./sysfs-number.ts";

/** KHO's folder below debugfs, of the data for the next kernel. It exists while KHO is on. */
export const KHO_OUT = "kho/out";
/** The usual mount point of debugfs. */
export const DEBUGFS = "/sys/kernel/debug";
/** The device of the live update orchestrator, which needs KHO: it exists while KHO is on. */
export const LIVE_UPDATE = "/dev/liveupdate";

/**
 * True if `kho=` turns KHO on, false if it turns it off; null without it, or with a value that the
 * kernel does not understand. The last one counts. [linux lib/kstrtox.c kstrtobool]
 */
export function khoByCommandLine(commandLine: string): boolean | null {
  const value = kernelParameterValue(commandLine, "kho");
  if (value === null) return null;
  if (/^(?:[yt1]|on)/i.test(value)) return true;
  return /^(?:[nf0]|of)/i.test(value) ? false : null;
}

const lines = (text: string) => text.split("\n").filter((line) => !/^[ \t]*$/.test(line));

/**
 * The scratch areas. The files scratch_phys and scratch_len have one number per area and line.
 * @throws KexecError `facts.number`; `facts.kho` where the files have different numbers of areas,
 *   or an area ends beyond 64 bits
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
    message: `${directory}: scratch_phys and scratch_len do not describe the same areas`,
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

/** Rounds up to a multiple of 4, without bit operations: sums in a damaged tree exceed 32 bits. */
const up4 = (at: number) => Math.ceil(at / 4) * 4;

/** The offset of the NUL that ends the string at `at`. */
function endOfText(bytes: Uint8Array, at: number): number {
  const end = bytes.indexOf(0, at);
  return end < 0 ? bytes.length : end;
}

/** The properties `start` and `size` of a node; null: the node has none, or none so far. */
interface Node {
  start: bigint | null;
  size: bigint | null;
}

/**
 * The memory in the properties `start` and `size` of a tree's nodes, 8 bytes each in the machine's
 * own byte order. The tree of `reserve_mem=` has them; other trees have none.
 * @throws KexecError `facts.kho` for a file that is not a flattened device tree, or a damaged one;
 *   `struct.truncated`
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
      const text = textOf(bytes.subarray(name, endOfText(bytes, name)));
      setProperty(node, text, bytes, at + 8, length);
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
    message: `${file} is not a flattened device tree, or is damaged`,
  });
}
