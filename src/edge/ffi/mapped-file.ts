/**
 * A file mapped for reading, in place of a copy: its pages are the page cache's own. It shows every
 * change of the file, so only a file that nobody can change meanwhile is worth mapping.
 */

import { toArrayBuffer } from "bun:ffi";
import { type Guard, guardMapping } from "./bus-errors.ts";
import { asInt, asUlong, libc, result } from "./libc.ts";
import { asPointer } from "./pointer.ts";

/** [linux include/uapi/asm-generic/mman-common.h, include/uapi/linux/mman.h] */
const PROT_READ = 1;
const MAP_SHARED = 1;
const MADV_WILLNEED = 3;
/** The smallest page of any machine, in bytes. */
const PAGE_MIN = 4096;

/** A file's bytes in memory until `unmap`, whether or not JavaScript still refers to them. */
export class MappedFile {
  readonly #address: bigint;
  readonly #size: number;
  readonly #guard: Guard;

  private constructor(address: bigint, size: number, guard: Guard) {
    this.#address = address;
    this.#size = size;
    this.#guard = guard;
  }

  /**
   * Maps the first `size` bytes of the file, 1 to `PINNED_MAX`. The descriptor may be closed
   * afterwards.
   * @returns null where the file cannot be mapped, or where a page that fails would end the program
   */
  static map(fd: number, size: number): MappedFile | null {
    const { mmap } = libc().symbols;
    // SAFETY: a new mapping at an address that the kernel chooses changes no other memory. Fails
    // with: ENODEV the file system has no mappings; ENOMEM no address space; EAGAIN, EPERM, EACCES.
    const address = BigInt(
      result(mmap(0n, asUlong(size), asInt(PROT_READ), asInt(MAP_SHARED), asInt(fd), 0n)),
    );
    if (address <= 0n) return null;
    const guard = guardMapping(address, size);
    if (guard !== null) return new MappedFile(address, size, guard);
    unmap(address, size);
    return null;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether a page could not be read: some of the bytes are zeros then, and not the file's. */
  get failed(): boolean {
    return this.#guard.failed();
  }

  /** All bytes. Nothing may write to the array, nor use it after `unmap`. */
  bytes(): Uint8Array {
    // SAFETY: the mapping is `#size` bytes long and ours until `unmap`; the array has no finalizer,
    // so the garbage collector never unmaps it.
    return new Uint8Array(toArrayBuffer(asPointer(this.#address), 0, this.#size));
  }

  /**
   * Reads the pages from offset `start`, that of a page, to `end`. They are touched one by one:
   * before a page that cannot be read MADV_POPULATE_READ never returns, up to Linux 6.8, and no
   * signal ends it. [linux mm/gup.c faultin_vma_page_range]
   * @returns whether all could be read
   */
  readAhead(start: number, end: number): boolean {
    const last = Math.min(end, this.#size);
    const { madvise } = libc().symbols;
    // SAFETY: the range is inside of our mapping, and to read it changes nothing. Fails with:
    // EINVAL, EIO, ENOMEM; the pages are then read when they are touched.
    madvise(this.#address + asUlong(start), asUlong(last - start), asInt(MADV_WILLNEED));
    const bytes = this.bytes();
    let touched = 0;
    for (let at = start; at < last; at += PAGE_MIN) touched |= bytes[at] ?? 0;
    // The bytes are used, since the compiler leaves out what nobody uses.
    return touched >= 0 && !this.failed;
  }

  /** Ends the mapping; to be called once. */
  unmap(): void {
    this.#guard.end();
    unmap(this.#address, this.#size);
  }
}

function unmap(address: bigint, size: number): void {
  const { munmap } = libc().symbols;
  // SAFETY: the mapping is ours, and nothing refers to it any more. Fails with: ENOMEM too many
  // mappings; it then stays until the program ends.
  munmap(address, asUlong(size));
}
