/** The memory of the crashed kernel: program headers and mappings locate virtual addresses in the
 * file. */

import { hex } from "../core/address.ts";
import { Reader } from "../core/bytes.ts";
import { PT_LOAD } from "../core/elf.ts";
import type { KexecError } from "../core/error.ts";
import type { CoreFile } from "./core-file.ts";
import { Dom0Memory } from "./dom0-memory.ts";
import type { CoreHeader, ProgramHeader } from "./elf-header.ts";
import { vmcoreError } from "./first-error.ts";
import { HeaderIndex } from "./header-index.ts";
import { type KernelMapping, kernelMappings } from "./kernel-mappings.ts";
import type { Vmcoreinfo } from "./vmcoreinfo.ts";

const LOW_32 = 0xffffffffn;
const PAGE = 4096n;
/** The most pages whose translation is cached; page tables are walked once for each. */
const PAGES_KNOWN = 4096;

/** Where the memory at an address is: a piece of the file, or zeros that the file leaves out. */
interface Place {
  readonly offset: bigint;
  /** Bytes from there on that the file stores; 0 where it stores none. */
  readonly stored: bigint;
  /** Bytes of contiguous memory from there on. */
  readonly size: bigint;
}

/** The place `into` bytes after the start of `header`. */
function placeIn(header: ProgramHeader, into: bigint): Place {
  const stored = header.stored > into ? header.stored - into : 0n;
  return { offset: header.offset + into, stored, size: header.size - into };
}

function withinPage(place: Place, address: bigint): Place {
  const left = PAGE - (address % PAGE);
  const within = (size: bigint) => (size < left ? size : left);
  return { ...place, stored: within(place.stored), size: within(place.size) };
}

/** Reads memory, and numbers in the byte order and the word size of the crashed kernel. */
export class CoreMemory {
  readonly file: CoreFile;
  readonly header: CoreHeader;
  readonly #loads: readonly ProgramHeader[];
  #byVirtual: HeaderIndex | null = null;
  #byPhysical: HeaderIndex | null = null;
  readonly #mappings: readonly KernelMapping[];
  readonly #dom0: Dom0Memory | null;
  /** Physical or machine addresses, by the virtual address of their page. */
  readonly #pages = new Map<bigint, bigint | null>();
  #last: { readonly address: bigint; readonly place: Place } | null = null;

  constructor(file: CoreFile, header: CoreHeader, info: Vmcoreinfo) {
    this.file = file;
    this.header = header;
    this.#loads = header.programHeaders.filter(({ type }) => type === PT_LOAD);
    const read = (address: bigint, length: number) => {
      const place = this.#physicalPlace(address);
      if (place === null || place.stored < BigInt(length)) return new Uint8Array(0);
      return file.read(place.offset, length);
    };
    this.#mappings = kernelMappings(header.machine, info, read);
    this.#dom0 = info.xen === null ? null : new Dom0Memory(read, info.xen.frameListList, info);
  }

  /** `length` bytes at `address`; fewer where the core ends or has no memory there. */
  read(address: bigint, length: number): Uint8Array {
    const place = this.#place(address);
    if (place === null) return new Uint8Array(0);
    if (place.stored >= BigInt(length)) return this.file.read(place.offset, length);
    const bytes = new Uint8Array(length);
    let done = 0;
    for (let here: Place | null = place; here !== null && done < length; ) {
      const size = Number(here.size < BigInt(length - done) ? here.size : BigInt(length - done));
      const stored = Math.min(size, Number(here.stored));
      const found = this.file.read(here.offset, stored);
      this.file.spend(size - stored);
      bytes.set(found, done);
      if (found.length < stored) return bytes.subarray(0, done + found.length);
      done += size;
      here = done < length ? this.#place(address + BigInt(done)) : null;
    }
    return bytes.subarray(0, done);
  }

  /**
   * Why `read` returned fewer bytes.
   * @param line makes kexec-tools' line about a failed read, up to the reason, from the offset in
   *   the file
   * @param exitStatus kexec-tools' status for that line; it is 30 where no program header has the
   *   address
   */
  failure(
    address: bigint,
    length: number,
    line: (offset: bigint) => string,
    exitStatus: number,
  ): KexecError {
    const place = this.#place(address);
    const missing = this.read(address, length).length;
    if (place === null || this.#place(address + BigInt(missing)) === null) {
      const uncovered = hex(address + BigInt(place === null ? 0 : missing));
      return vmcoreError(
        `No program header covering vaddr ${uncovered} found kexec bug?`,
        30,
        "The dump does not contain this memory: it is damaged or incomplete.",
      );
    }
    const message = `${line(place.offset)}: ${this.file.reason}`;
    return vmcoreError(message, exitStatus, "The dump is cut short or cannot be read there.");
  }

  /** @throws KexecError as `failure` */
  need(
    address: bigint,
    length: number,
    line: (offset: bigint) => string,
    exitStatus: number,
  ): Uint8Array {
    const bytes = this.read(address, length);
    if (bytes.length < length) throw this.failure(address, length, line, exitStatus);
    return bytes;
  }

  /** A pointer in memory. @throws KexecError */
  pointer(address: bigint): bigint {
    const { pointerSize } = this.header;
    const line = (offset: bigint) => `Failed to read pointer @ ${hex(offset)}`;
    return this.ulong(this.need(address, pointerSize, line, 40), 0);
  }

  /** @throws KexecError */
  u32(address: bigint): number {
    const line = (offset: bigint) => `Failed to read value @ ${hex(offset)}`;
    return this.reader(this.need(address, 4, line, 41), "value").u32(0);
  }

  reader(bytes: Uint8Array, what: string): Reader {
    return new Reader(bytes, what, this.header.littleEndian);
  }

  /** An `unsigned long` of the crashed kernel at `offset` of `bytes`. */
  ulong(bytes: Uint8Array, offset: number): bigint {
    const reader = this.reader(bytes, "unsigned long");
    return this.header.pointerSize === 8 ? reader.u64(offset) : BigInt(reader.u32(offset));
  }

  #place(address: bigint): Place | null {
    const near = this.#last === null ? -1n : address - this.#last.address;
    if (this.#last !== null && near >= 0n && near < this.#last.place.stored) {
      const { offset, stored, size } = this.#last.place;
      return { offset: offset + near, stored: stored - near, size: size - near };
    }
    const place = this.#find(address);
    if (place !== null) this.#last = { address, place };
    return place;
  }

  #find(address: bigint): Place | null {
    if (this.#dom0 !== null) {
      const dom0 = this.#dom0;
      // Each page of dom0 may be anywhere in the machine; the headers have machine addresses only.
      return this.#pagePlace(address, (page) => dom0.machineOf(page));
    }
    const virtual = this.#virtualPlace(address);
    if (virtual !== null) return virtual;
    for (const mapping of this.#mappings) {
      const place = this.#mappedPlace(address, mapping);
      if (place !== null) return place;
    }
    // 32-bit headers have only the lower 32 bits of a 64-bit kernel's addresses.
    if (this.header.wide || this.header.pointerSize === 4) return null;
    return this.#virtualPlace(address & LOW_32);
  }

  #virtualPlace(address: bigint): Place | null {
    this.#byVirtual ??= new HeaderIndex(this.#loads, ({ virtual }) => virtual);
    const header = this.#byVirtual.find(address);
    return header === null ? null : placeIn(header, address - header.virtual);
  }

  #physicalPlace(address: bigint): Place | null {
    this.#byPhysical ??= new HeaderIndex(this.#loads, ({ physical }) => physical);
    const header = this.#byPhysical.find(address);
    return header === null ? null : placeIn(header, address - header.physical);
  }

  #mappedPlace(address: bigint, { physicalOf, byPage }: KernelMapping): Place | null {
    if (byPage) return this.#pagePlace(address, physicalOf);
    const physical = physicalOf(address);
    return physical === null ? null : this.#physicalPlace(physical);
  }

  /** The place of an address, up to the end of its page: the next page may be anywhere. */
  #pagePlace(address: bigint, physicalOf: KernelMapping["physicalOf"]): Place | null {
    const into = address % PAGE;
    const start = address - into;
    let page = this.#pages.get(start);
    if (page === undefined) {
      page = physicalOf(start);
      if (this.#pages.size >= PAGES_KNOWN) this.#pages.clear();
      this.#pages.set(start, page);
    }
    const place = page === null ? null : this.#physicalPlace(page + into);
    return place === null ? null : withinPage(place, address);
  }
}
