/**
 * Writes initramfs archives: cpio in the "newc" format.
 * [linux Documentation/driver-api/early-userspace/buffer-format.rst]
 */

import { bytesOf } from "../../src/core/bytes.ts";

export interface CpioFile {
  /** Absolute, in the archive; the folders above it are made. */
  readonly path: string;
  readonly data: Uint8Array | string;
  /** Permission bits; 0o644 unless given. */
  readonly mode?: number;
}

const DIRECTORY = 0o040755;
const REGULAR = 0o100000;

function padding(length: number): Uint8Array {
  return new Uint8Array(-length & 3);
}

/** The header and the name of one member, padded to 4 bytes. */
function header(name: string, mode: number, size: number, inode: number): Uint8Array[] {
  const nameBytes = bytesOf(`${name}\0`);
  const links = mode === DIRECTORY ? 2 : 1;
  const fields = [inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, nameBytes.length, 0];
  const text = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  return [bytesOf(text), nameBytes, padding(text.length + nameBytes.length)];
}

function foldersAbove(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join("/")).filter((folder) => folder !== "");
}

/**
 * The archive as parts to be written one after the other, so that a large file is not copied.
 * Several archives in one file make one initramfs, in which later files replace earlier ones.
 */
export function cpio(files: readonly CpioFile[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  const folders = new Set<string>();
  let inode = 0;
  const add = (path: string, mode: number, data: Uint8Array) => {
    inode += 1;
    // The kernel takes names relative to the root.
    parts.push(...header(path.replace(/^\//, ""), mode, data.length, inode));
    parts.push(data, padding(data.length));
  };
  for (const { path, data, mode = 0o644 } of files) {
    for (const folder of foldersAbove(path)) {
      if (!folders.has(folder)) add(folder, DIRECTORY, new Uint8Array(0));
      folders.add(folder);
    }
    add(path, REGULAR | mode, typeof data === "string" ? bytesOf(data) : data);
  }
  parts.push(...header("TRAILER!!!", 0, 0, 0));
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  // To the block size that cpio itself uses, so that another archive can follow.
  parts.push(new Uint8Array(-length & 511));
  return parts;
}
