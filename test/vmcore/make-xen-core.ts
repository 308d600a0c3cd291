/**
 * Dumps of a machine with Xen, made for tests: dom0's pages lie anywhere in the machine, and its
 * page tables and lists of frames tell where.
 */

import { Writer } from "../../src/core/bytes.ts";
import { ELF64_IDENT, Elf64_Ehdr, Elf64_Phdr, PT_LOAD, PT_NOTE } from "../../src/core/elf.ts";
import { type CoreOptions, coreParts, DATA, MAPPED } from "./make-core.ts";

const PAGE = 4096;
const FRAMES = 512n;
const BASE = 0x40000000n;
const PAGES = 128;
const DIRECTORY = DATA.virtual + 0x100000n;
const DIRECTORY_PHYSICAL = DATA.physical + 0x100000n;
const PRESENT = 1n;

export interface XenCoreOptions extends CoreOptions {
  /** Without dom0's vmcoreinfo, as kexec-tools loads crash kernels. */
  readonly withoutDom0?: boolean;
  /** Of Xen's crash information; what dom0 said unless given. */
  readonly frameListList?: bigint;
}

/** The machine's memory, of which pages are handed out in no order. */
class Machine {
  readonly bytes = new Uint8Array(PAGES * PAGE);
  readonly #writer = new Writer(this.bytes);
  #given = 0;

  /** The machine address of a page with these bytes. */
  page(bytes: Uint8Array = new Uint8Array(0)): bigint {
    const index = (this.#given * 37 + 11) % PAGES;
    this.#given += 1;
    this.bytes.set(bytes, index * PAGE);
    return BASE + BigInt(index * PAGE);
  }

  number(page: bigint, index: bigint, value: bigint): void {
    this.#writer.u64(Number(page - BASE + index * 8n), value);
  }

  at(page: bigint, index: bigint): bigint {
    return new DataView(this.bytes.buffer).getBigUint64(Number(page - BASE + index * 8n), true);
  }
}

/** Maps one page of dom0, with the tables between. */
function map(machine: Machine, directory: bigint, virtual: bigint, page: bigint): void {
  let table = directory;
  for (const shift of [39n, 30n, 21n]) {
    const index = (virtual >> shift) % FRAMES;
    const known = machine.at(table, index);
    const next = known === 0n ? machine.page() : known & ~0xfffn;
    machine.number(table, index, next | PRESENT);
    table = next;
  }
  machine.number(table, (virtual >> 12n) % FRAMES, page | PRESENT);
}

function mapAll(machine: Machine, directory: bigint, virtual: bigint, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += PAGE) {
    map(machine, directory, virtual + BigInt(at), machine.page(bytes.subarray(at, at + PAGE)));
  }
}

/** The lists by which dom0's physical page of the directory is found; the first one's frame. */
function frameLists(machine: Machine, directory: bigint): bigint {
  const frame = DIRECTORY_PHYSICAL / BigInt(PAGE);
  const [top, middle, leaf] = [machine.page(), machine.page(), machine.page()];
  machine.number(top, frame / (FRAMES * FRAMES), middle / BigInt(PAGE));
  machine.number(middle, (frame / FRAMES) % FRAMES, leaf / BigInt(PAGE));
  machine.number(leaf, frame % FRAMES, directory / BigInt(PAGE));
  return top / BigInt(PAGE);
}

function note(name: string, type: number, content: Uint8Array): Uint8Array {
  const padded = (size: number) => Math.ceil(size / 4) * 4;
  const bytes = new Uint8Array(12 + padded(name.length) + padded(content.length));
  const writer = new Writer(bytes);
  writer.u32(0, name.length);
  writer.u32(4, content.length);
  writer.u32(8, type);
  bytes.set(Buffer.from(name, "latin1"), 12);
  bytes.set(content, 12 + padded(name.length));
  return bytes;
}

function notes(lines: readonly string[], frameListList: bigint, options: XenCoreOptions) {
  const crashInfo = new Uint8Array(80);
  new Writer(crashInfo).u64(72, options.frameListList ?? frameListList);
  const told = options.vmcoreinfo?.(lines) ?? lines;
  const text = (all: readonly string[]) => Buffer.from(all.join("\n"), "latin1");
  return Buffer.concat([
    note("Xen\0", 0x1000002, new Uint8Array(32)),
    note("Xen\0", 0x1000001, crashInfo),
    note("VMCOREINFO_XEN\0", 0, text(["PAGESIZE=4096", "SYMBOL(domain_list)=ffff82d040464f98"])),
    ...(options.withoutDom0 ? [] : [note("VMCOREINFO\0", 0, text(told))]),
  ]);
}

/** The bytes of a core file. */
export function makeXenCore(options: XenCoreOptions): Uint8Array {
  const { data, mapped, lines } = coreParts(options);
  const machine = new Machine();
  const directory = machine.page();
  mapAll(machine, directory, DATA.virtual, data);
  mapAll(machine, directory, MAPPED.virtual, mapped);
  const list = frameLists(machine, directory);
  const all = notes([...lines, `SYMBOL(swapper_pg_dir)=${DIRECTORY.toString(16)}`], list, options);
  const noteAt = Elf64_Ehdr.size + 2 * Elf64_Phdr.size;
  const memoryAt = noteAt + all.length;
  const core = new Uint8Array(memoryAt + machine.bytes.length);
  Elf64_Ehdr.write(core, {
    ...{ e_ident: ELF64_IDENT, e_type: 4, e_machine: 62, e_version: 1, e_phoff: 64n },
    ...{ e_ehsize: 64, e_phentsize: 56, e_phnum: 2 },
  });
  const sizes = (size: number) => ({ p_filesz: BigInt(size), p_memsz: BigInt(size) });
  const noteRow = { p_type: PT_NOTE, p_offset: BigInt(noteAt), ...sizes(all.length) };
  Elf64_Phdr.write(core, noteRow, 64);
  const where = { p_vaddr: 0xffff888000000000n + BASE, p_paddr: BASE };
  const memory = { p_type: PT_LOAD, p_offset: BigInt(memoryAt), ...where };
  Elf64_Phdr.write(core, { ...memory, ...sizes(machine.bytes.length) }, 64 + 56);
  core.set(all, noteAt);
  core.set(machine.bytes, memoryAt);
  return core;
}
