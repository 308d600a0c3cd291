/**
 * Private anonymous memory at a fixed, page-aligned address, which the garbage collector neither
 * moves nor frees. File contents are read into it, hashed there, and passed to kexec_load without
 * a copy.
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

/** The largest base page of Linux on x86_64 and arm64, in bytes. */
const PAGE_MAX = 65536;

/** The longest JavaScript array over memory outside of its heap, in bytes: 4 GiB. */
export const PINNED_MAX = 2 ** 32;

/** Memory that stays mapped until `free`, whether or not JavaScript still refers to it. */
export class PinnedMemory {
  #address: bigint;
  #size: number;
  readonly #what: string;
  /** `populate` was already called for the pages before this offset. */
  #populated = 0;

  private constructor(address: bigint, size: number, what: string) {
    this.#address = address;
    this.#size = size;
    this.#what = what;
  }

  /**
   * Zeroed memory of `size` bytes, 1 to `PINNED_MAX`.
   * @param what the memory's use, for messages, such as a file's path
   * @throws KexecError `host.memory` where the kernel cannot map it
   */
  static allocate(size: number, what: string): PinnedMemory {
    checkSize(size);
    const { mmap } = libc().symbols;
    // SAFETY: a new mapping at an address that the kernel chooses changes no other memory. Fails
    // with: ENOMEM no memory or no address space; EAGAIN the limit of locked memory.
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

  /** The first `length` bytes. The array must not be used after `free`, nor after `resize`, which
   * may move the memory. @throws RangeError after `free`, or beyond the size */
  bytes(length: number = this.#size): Uint8Array {
    if (this.#address === 0n) throw new RangeError("the memory was freed");
    if (length < 0 || length > this.#size) throw new RangeError(`${length} of ${this.#size} bytes`);
    if (length === 0) return new Uint8Array(0);
    // SAFETY: the mapping is at least `length` bytes long and ours until `free`; the array has no
    // finalizer, so the garbage collector never unmaps it.
    return new Uint8Array(toArrayBuffer(asPointer(this.#address), 0, length));
  }

  /**
   * Lets the kernel allocate all pages up to offset `end` in one call, which costs less than a page
   * fault for each. It does not ask for huge pages: the kernel takes those from the memory that has
   * been free longest, which a virtual machine has returned to its host, and which costs ten times
   * as much to get back.
   */
  populate(end: number): void {
    const from = this.#populated;
    const to = Math.min(Math.ceil(end / PAGE_MAX) * PAGE_MAX, this.#size);
    if (to <= from) return;
    const { madvise } = libc().symbols;
    // SAFETY: the range is inside of our mapping, and populating it changes no contents. Fails
    // with: EINVAL before Linux 5.14, ENOMEM; then each page is allocated when it is touched.
    madvise(this.#address + asUlong(from), asUlong(to - from), asInt(MADV_POPULATE_WRITE));
    this.#populated = to - (to % PAGE_MAX);
  }

  /** Makes the memory longer or shorter without copying it. Arrays from `bytes` must not be used
   * afterwards. @throws KexecError `host.memory` where the kernel cannot enlarge the mapping */
  resize(size: number): void {
    checkSize(size);
    const { mremap } = libc().symbols;
    // SAFETY: the old mapping is ours, and the doc comment forbids the use of its arrays. Fails
    // with: ENOMEM.
    const got = BigInt(
      result(mremap(this.#address, asUlong(this.#size), asUlong(size), MREMAP_MAYMOVE)),
    );
    if (got <= 0n) failForMemory(size, this.#what, Number(-got));
    this.#address = got;
    this.#size = size;
    this.#populated = Math.min(this.#populated, size - (size % PAGE_MAX));
  }

  /** Unmaps the memory. Arrays from `bytes` must not be used afterwards. */
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
    message: `${what}: cannot allocate ${size} bytes of memory: ${strerror(why)}`,
    exitStatus: ExitStatus.failed,
  });
}
