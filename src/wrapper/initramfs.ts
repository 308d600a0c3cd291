/**
 * Expands an xz initramfs to the archive that the next kernel would make of it.
 *
 * An initramfs has parts, one after the other, with zeros between them: cpio archives as they are,
 * such as that of the CPU's microcode, and compressed ones. Only what is sure to mean the same is
 * expanded: archives as they are in front, and xz from there to the end of the file.
 * [linux Documentation/driver-api/early-userspace/buffer-format.rst] [linux init/initramfs.c]
 */

import { hex } from "../core/address.ts";
import { joined, textOf } from "../core/bytes.ts";
import { type HostExpand, isXz, noLiblzma, wrapperError } from "../core/expand.ts";
import { strtoul } from "../core/strtoul.ts";

/** The header of a file in an archive: text, each number in eight hexadecimal digits. */
const HEADER_SIZE = 110;
const DIGITS = 8;
const AT = { fileSize: 54, nameSize: 94 } as const;
/** A header, with checksums and without. */
const HEADER = /^07070[12][0-9a-fA-F]{104}$/;
const LAST_NAME = "TRAILER!!!\0";
/** Archives, headers and contents begin at multiples of this, counted from the first byte. */
const ALIGNMENT = 4;

const aligned = (at: number): number => at + (-at & (ALIGNMENT - 1));

/** A number of a header that is right. */
const number = (header: string, at: number): number =>
  Number(strtoul(header.slice(at, at + DIGITS), 16));

/** Where the archive that begins at `start` ends; null where there is none that is whole. */
function endOfArchive(bytes: Uint8Array, start: number): number | null {
  let at = start;
  for (;;) {
    const header = textOf(bytes.subarray(at, at + HEADER_SIZE));
    if (at !== aligned(at) || !HEADER.test(header)) return null;
    const name = at + HEADER_SIZE;
    const nameEnd = name + number(header, AT.nameSize);
    const end = aligned(nameEnd) + number(header, AT.fileSize);
    if (nameEnd > bytes.length || end > aligned(bytes.length)) return null;
    const isLast = nameEnd - name === LAST_NAME.length;
    if (isLast && textOf(bytes.subarray(name, nameEnd)) === LAST_NAME) {
      return Math.min(end, bytes.length);
    }
    at = aligned(end);
  }
}

function behindZeros(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at] === 0) at += 1;
  return at;
}

/** Where the first part begins that is no archive as it is; the length where all are. */
function endOfArchives(bytes: Uint8Array): number {
  for (let at = 0; ; ) {
    const end = at < bytes.length ? endOfArchive(bytes, at) : null;
    if (end === null) return at;
    at = behindZeros(bytes, end);
  }
}

/** Whether `initramfs` ends in xz, behind nothing but archives as they are. */
export function isXzInitramfs(initramfs: Uint8Array): boolean {
  return isXz(initramfs.subarray(endOfArchives(initramfs)));
}

/**
 * Expands an initramfs that ends in xz by the host's liblzma: our own code takes longer than the
 * kernel.
 * @param limit the most bytes that it may have then
 * @throws KexecError `image.wrapper` where the xz is damaged, expands to more, or to anything but
 *   whole archives, where other data follow it, and without liblzma
 */
export function expandInitramfs(
  initramfs: Uint8Array,
  liblzma: HostExpand,
  limit: number,
): Uint8Array {
  const start = endOfArchives(initramfs);
  const data = initramfs.subarray(start);
  const expanded = liblzma(data, limit - aligned(start));
  if (expanded === null) throw noLiblzma();
  const { bytes, end } = expanded;
  if (behindZeros(data, end) !== data.length) {
    throw wrapperError("xz", `other data follow it at offset ${hex(start + end)}`);
  }
  const found = endOfArchives(bytes);
  if (bytes.length === 0 || found !== bytes.length) {
    throw wrapperError("xz", `no cpio archive begins at ${hex(found)} of what it expands to`);
  }
  if (start === 0) return bytes;
  return joined([initramfs.subarray(0, start), new Uint8Array(aligned(start) - start), bytes]);
}
