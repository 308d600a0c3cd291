/** A file that is mapped under a read lease: it is read without a copy, and nobody changes it. */

import { fstatSync, type Stats } from "node:fs";
import { MappedFile } from "../ffi/mapped-file.ts";
import { PINNED_MAX } from "../ffi/pinned-memory.ts";
import { errnoOf } from "./errno-of.ts";
import {
  endLease,
  fileSystemOf,
  hasReadLease,
  isLeasedWholly,
  TMPFS,
  takeReadLease,
} from "./lease.ts";
import type { ReadObserver } from "./read-all.ts";

/** The size in bytes from which on mapping a file costs less than to copy it. */
const WORTH_IT = 65536;

/** Bytes that are read at once; the observer is called so often. */
const PIECE = 16 * 1024 * 1024;

/** st_blocks counts these, in bytes. [stat(2)] */
const BLOCK = 512;

export class LeasedFile {
  readonly #fd: number;
  #mapping: MappedFile | null;

  private constructor(fd: number, mapping: MappedFile) {
    this.#fd = fd;
    this.#mapping = mapping;
  }

  /**
   * Maps the open file, and reads all of it into the page cache.
   * @returns null where it is to be copied: it is small, or empty, or too large; no lease that
   *   holds off every change is to be had; it cannot be mapped, or not be read
   */
  static map(fd: number, observe: ReadObserver): LeasedFile | null {
    const fileSystem = fileSystemOf(fd);
    if (!isLeasedWholly(fileSystem) || !takeReadLease(fd)) return null;
    // Only now nobody changes the size any more.
    const size = sizeToMap(fd, fileSystem);
    const mapping = size === null ? null : MappedFile.map(fd, size);
    if (mapping !== null && isRead(mapping, observe)) return new LeasedFile(fd, mapping);
    mapping?.unmap();
    endLease(fd);
    return null;
  }

  get isMapped(): boolean {
    return this.#mapping !== null;
  }

  /** Nothing may write to the array, nor use it after `unmap`. @throws RangeError after `unmap` */
  get bytes(): Uint8Array {
    if (this.#mapping === null) throw new RangeError("the file is not mapped any more");
    return this.#mapping.bytes();
  }

  /** Whether `bytes` may have changed, or may change before long: somebody waits to write to the
   * file, or the lease has run out; it is shorter, which open(2) with O_RDONLY | O_TRUNC does in
   * spite of a lease; or a page could not be read again. */
  changed(): boolean {
    if (this.#mapping === null) return false;
    const { size, failed } = this.#mapping;
    return failed || !hasReadLease(this.#fd) || statOf(this.#fd)?.size !== size;
  }

  /** Ends the mapping. The lease stays: it holds off whoever waits to write. */
  unmap(): void {
    this.#mapping?.unmap();
    this.#mapping = null;
  }

  /** Ends the mapping and the lease; to be called before the descriptor is closed. */
  end(): void {
    this.unmap();
    endLease(this.#fd);
  }
}

/** null where the system does not say. */
function statOf(fd: number): Stats | null {
  try {
    return fstatSync(fd);
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
}

/** The file's size in bytes; null where it is to be copied. */
function sizeToMap(fd: number, fileSystem: bigint | null): number | null {
  const stat = statOf(fd);
  if (stat === null || stat.size < WORTH_IT || stat.size > PINNED_MAX) return null;
  // To map a hole of a file in memory fills it, which takes memory.
  const hasHoles = fileSystem === TMPFS && stat.blocks * BLOCK < stat.size;
  return hasHoles ? null : stat.size;
}

/** Whether all pages could be read. */
function isRead(mapping: MappedFile, observe: ReadObserver): boolean {
  const { size } = mapping;
  for (let done = 0; done < size; done += PIECE) {
    if (!mapping.readAhead(done, done + PIECE)) return false;
    observe(Math.min(done + PIECE, size), size);
  }
  return true;
}
