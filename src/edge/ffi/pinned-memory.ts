/**
 * Memory of our own at a fixed, page-aligned address: private, anonymous, taken from and given back
 * to the kernel at once. What is read into it can be hashed, and handed over from where it lies.
 */

import { toArrayBuffer } from "bun:ffi";
import { ExitStatus, fail } from "../../core/error.ts";
import { Errno } from "./errno.ts";
import { asInt, asUlong, libc, result, strerror } from "./libc.ts";
import { asPointer } from "./pointer.ts";

/** [linux include/uapi/asm-generic/mman-common.h, mman.h] */
const PROT_READ_WRITE = 1 | 2;
const MAP_PRIVATE_ANONYMOUS = 0x02 | 0x20;
const MREMAP_MAYMOVE = 1;
const MADV_POPULATE_WRITE = 23;

/** No page of Linux is larger on x86_64 and arm64, huge ones aside. */
const PAGE_MAX = 65536;

/** The longest array that JavaScript can have over foreign memory. */
export const PINNED_MAX = 2 ** 32;

/** Memory that stays until `free`, whether or not anything refers to it. */
export class PinnedMemory {
  #address: bigint;
  #size: number;
  readonly #what: string;
  /** Pages before this offset were asked for. */
  #populated = 0;

  private constructor(address: bigint, size: number, what: string) {
    this.#address = address;
    this.#size = size;
    this.#what = what;
  }

  /**
   * Zeroed memory of `size` bytes, 1 to `PINNED_MAX`; `what` it is for, messages say.
   * @throws KexecError `host.memory` where the kernel gives none
   */
  static allocate(size: number, what: string): PinnedMemory {
    checkSize(size);
    const { mmap } = libc().symbols;
    // SAFETY: a new mapping at a place of the kernel's choice touches nothing else. Fails with:
    // ENOMEM no memory or no address space; EAGAIN locked memory's limit.
    const got = BigInt(
      result(mmap(0n, asUlong(size), PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, asInt(-1), 0n)),
    );
    if (got <= 0n) failForMemory(size, what, Number(-got));
    return new PinnedMemory(got, size, what);
  }

  /** 0 after `free`. */
  get address(): bigint {
    return this.#address;
  }

  get size(): number {
    return this.#size;
  }

  /** The first `length` bytes. Void after `free` and `resize`, which may move the memory. */
  bytes(length: number = this.#size): Uint8Array {
    if (this.#address === 0n) throw new RangeError("the memory was freed");
    if (length < 0 || length > this.#size) throw new RangeError(`${length} of ${this.#size} bytes`);
    if (length === 0) return new Uint8Array(0);
    // SAFETY: the mapping is at least `length` bytes long and ours until `free`; the array gets no
    // finalizer, so that the collector never unmaps it.
    return new Uint8Array(toArrayBuffer(asPointer(this.#address), 0, length));
  }

  /**
   * Has the kernel make the pages up to `end` now, all at once, which is cheaper than one fault for
   * each. Not huge pages: the kernel takes them from the memory that was free longest, which a
   * virtual machine has given back to its host and gets again at ten times the cost.
   */
  populate(end: number): void {
    const from = this.#populated;
    const to = Math.min(Math.ceil(end / PAGE_MAX) * PAGE_MAX, this.#size);
    if (to <= from) return;
    const { madvise } = libc().symbols;
    // SAFETY: the range is inside of our mapping, and making its pages changes no contents. Fails
    // with: EINVAL before Linux 5.14, ENOMEM; then each page is made when it is touched.
    madvise(this.#address + asUlong(from), asUlong(to - from), asInt(MADV_POPULATE_WRITE));
    this.#populated = to - (to % PAGE_MAX);
  }

  /** Makes it longer or shorter without copying; arrays made before are void. */
  resize(size: number): void {
    checkSize(size);
    const { mremap } = libc().symbols;
    // SAFETY: the old mapping is ours and nobody uses arrays of it any more, as the comment above
    // demands. Fails with: ENOMEM.
    const got = BigInt(
      result(mremap(this.#address, asUlong(this.#size), asUlong(size), MREMAP_MAYMOVE)),
    );
    if (got <= 0n) failForMemory(size, this.#what, Number(-got));
    this.#address = got;
    this.#size = size;
    this.#populated = Math.min(this.#populated, size - (size % PAGE_MAX));
  }

  /** Gives the memory back. Arrays over it must not be used any more. */
  free(): void {
    if (this.#address === 0n) return;
    const { munmap } = libc().symbols;
    // SAFETY: the mapping is ours, and this object forgets it. Fails with: ENOMEM too many
    // mappings; the memory then stays until the program ends.
    munmap(this.#address, asUlong(this.#size));
    this.#address = 0n;
    this.#size = 0;
  }
}

function checkSize(size: number): void {
  if (!Number.isInteger(size) || size < 1 || size > PINNED_MAX) {
    throw new RangeError(`${size} bytes are not 1 to ${PINNED_MAX}`);
  }
}

function failForMemory(size: number, what: string, errno: number): never {
  const why = errno === 0 ? Errno.ENOMEM : errno;
  return fail({
    code: "host.memory",
    message: `${what}: cannot get ${size} bytes of memory: ${strerror(why)}`,
    exitStatus: ExitStatus.failed,
  });
}
