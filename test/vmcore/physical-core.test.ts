/** Dumps with physical addresses only, of kernels whose log buffer was allocated at run time. */

import { describe, expect, test } from "bun:test";
import { Writer } from "../../src/core/bytes.ts";
import { EM_AARCH64, EM_RISCV, EM_X86_64 } from "../../src/core/elf.ts";
import { type Bases, coreParts, DATA, type LogKind, type LogRecord, MAPPED } from "./make-core.ts";
import { load, logOf, makeElf, notes, vmcoreinfo } from "./make-elf.ts";

const RECORDS: readonly LogRecord[] = [
  { text: "Linux version 6.1", time: 0n },
  { text: "x".repeat(300), time: 0n },
  { text: "the last word before the crash", time: 0n },
];
const KINDS: readonly LogKind[] = ["ringbuffer", "records", "plain"];
const expected = (kind: LogKind) =>
  RECORDS.map(({ text }) => `${kind === "plain" ? "" : "[    0.000000] "}${text}\n`).join("");

const hex = (value: bigint) => `0x${BigInt.asUintN(64, value).toString(16)}`;

interface Linear {
  readonly machine: number;
  readonly bases: Bases;
  /** Physical addresses of both. */
  readonly at: Bases;
  readonly lines: readonly string[];
}

/** As QEMU writes it: p_vaddr is 0 or the physical address. */
function linearCore(kind: LogKind, { machine, bases, at, lines }: Linear, identity: boolean) {
  const { data, mapped, lines: usual } = coreParts({ kind, records: RECORDS }, bases);
  const virtual = (physical: bigint) => (identity ? { virtual: physical } : {});
  return makeElf(
    [
      notes(vmcoreinfo([...usual, ...lines])),
      load({ bytes: data, physical: at.data, ...virtual(at.data) }),
      load({ bytes: mapped, physical: at.mapped, ...virtual(at.mapped) }),
    ],
    { machine },
  );
}

/** What arm64's vmcoreinfo says of the two mappings. */
function arm64(bits: number, image: bigint, linear: bigint, more: Partial<Arm64> = {}): Linear {
  const at = { data: 0x41000000n, mapped: 0x44000000n };
  const { physOffset = 0x40000000n, lines = [] } = more;
  return {
    machine: EM_AARCH64,
    bases: { data: image, mapped: linear },
    at,
    lines: [
      `SYMBOL(_stext)=${image.toString(16)}`,
      `NUMBER(VA_BITS)=${bits}`,
      `NUMBER(kimage_voffset)=${hex(image - at.data)}`,
      `NUMBER(PHYS_OFFSET)=${hex(physOffset)}`,
      ...lines,
    ],
  };
}

interface Arm64 {
  readonly physOffset: bigint;
  readonly lines: readonly string[];
}

function riscv(pageOffset: bigint): Linear {
  const image = 0xffffffff81000000n;
  const at = { data: 0x81000000n, mapped: 0x84000000n };
  return {
    machine: EM_RISCV,
    bases: { data: image, mapped: pageOffset + 0x4000000n },
    at,
    lines: [
      `NUMBER(phys_ram_base)=${0x80000000}`,
      `NUMBER(PAGE_OFFSET)=${hex(pageOffset)}`,
      "NUMBER(KERNEL_LINK_ADDR)=0xffffffff80000000",
      `NUMBER(va_kernel_pa_offset)=${hex(image - at.data)}`,
    ],
  };
}

const image = 0xffff800081000000n;
const LINEAR: readonly (readonly [string, Linear])[] = [
  ["arm64, 48 bits", arm64(48, image, 0xffff000004000000n)],
  ["arm64, 39 bits", arm64(39, 0xffffffc081000000n, 0xffffff8004000000n)],
  ["arm64, 52 bits", arm64(52, image, 0xfff0000004000000n)],
  [
    "arm64, 52 bits on hardware of 48",
    arm64(52, image, 0xffff000004000000n, { physOffset: 0x40000000n - (2n ** 52n - 2n ** 48n) }),
  ],
  [
    "arm64, 52 bits on hardware of 48, before Linux 5.11",
    arm64(52, image, 0xffff000004000000n, { lines: ["NUMBER(TCR_EL1_T1SZ)=0x10"] }),
  ],
  ["arm64 before Linux 5.4", arm64(48, 0xffff000011000000n, 0xffff800004000000n)],
  ["arm64, a pointer with a tag", arm64(48, image, 0xf4ff000004000000n)],
  ["riscv64, 57 bits", riscv(0xff60000000000000n)],
  ["riscv64, 39 bits", riscv(0xffffffd600000000n)],
];

describe.each([...KINDS])("%s", (kind) => {
  for (const [name, linear] of LINEAR) {
    for (const identity of [false, true]) {
      test(`${name}, p_vaddr is ${identity ? "the physical address" : "0"}`, () => {
        const { text, error } = logOf(linearCore(kind, linear, identity));
        expect(error).toBeNull();
        expect(text).toBe(expected(kind));
      });
    }
  }
});

const PAGE = 4096;
const TABLES = 0x5000000n;
const START_KERNEL_MAP = 0xffffffff80000000n;
const PHYS_BASE = DATA.physical - (DATA.virtual - START_KERNEL_MAP);

interface Paging {
  readonly levels: 4 | 5;
  /** Of a mapped piece: 4 KiB, 2 MiB or 1 GiB. */
  readonly shift?: 12 | 21 | 30;
  readonly encryption?: bigint;
}

/** Page tables for `MAPPED.virtual`, in one piece of memory at `TABLES`. */
class Tables {
  readonly bytes = new Uint8Array(64 * PAGE);
  readonly #writer = new Writer(this.bytes);
  readonly #paging: Paging;
  #used = 1;

  constructor(paging: Paging) {
    this.#paging = paging;
  }

  map(virtual: bigint, physical: bigint): void {
    const { levels, shift = 12, encryption = 0n } = this.#paging;
    let table = 0;
    for (const level of [48n, 39n, 30n, 21n, 12n].slice(-levels)) {
      const at = table + Number((virtual >> level) % 512n) * 8;
      if (level === BigInt(shift)) {
        // Present, accessed and dirty; large; and bits that are no address above it.
        const flags = 0x63n | (shift === 12 ? 0n : 0x80n) | (1n << 63n);
        this.#writer.u64(at, physical | flags | encryption);
        return;
      }
      const known = new DataView(this.bytes.buffer).getBigUint64(at, true);
      if (known === 0n) {
        const next = TABLES + BigInt(this.#used * PAGE);
        this.#used += 1;
        this.#writer.u64(at, next | 0x67n | encryption);
        table = Number(next - TABLES);
      } else table = Number((known & ~encryption & ~0xfffn) - TABLES);
    }
  }
}

/** A core of x86_64: the log's pages lie in memory in reverse order where they are of 4 KiB. */
function pagedCore(kind: LogKind, paging: Paging, symbol = "init_top_pgt", lines: string[] = []) {
  const { data, mapped, lines: usual } = coreParts({ kind, records: RECORDS, sizeBits: 14 });
  const { shift = 12, levels, encryption = 0n } = paging;
  const tables = new Tables(paging);
  const pages = Math.ceil(mapped.length / PAGE);
  const memory = new Uint8Array(pages * PAGE);
  if (shift === 12) {
    for (let i = 0; i < pages; i += 1) {
      const at = (pages - 1 - i) * PAGE;
      memory.set(mapped.subarray(i * PAGE, (i + 1) * PAGE), at);
      tables.map(MAPPED.virtual + BigInt(i * PAGE), MAPPED.physical + BigInt(at));
    }
  } else {
    memory.set(mapped);
    const size = 1n << BigInt(shift);
    const down = (address: bigint) => address - (address % size);
    tables.map(down(MAPPED.virtual), down(MAPPED.physical));
  }
  const root = (START_KERNEL_MAP + TABLES - PHYS_BASE).toString(16);
  const said = [
    ...usual,
    `SYMBOL(${symbol})=${root}`,
    `NUMBER(pgtable_l5_enabled)=${levels - 4}`,
    `NUMBER(sme_mask)=${encryption}`,
  ];
  return makeElf(
    [
      notes(vmcoreinfo([...said, ...lines])),
      load({ bytes: data, physical: DATA.physical }),
      load({ bytes: memory, physical: MAPPED.physical }),
      load({ bytes: tables.bytes, physical: TABLES }),
    ],
    { machine: EM_X86_64 },
  );
}

describe.each([...KINDS])("x86_64, %s", (kind) => {
  const good = { text: expected(kind), error: null };

  for (const levels of [4, 5] as const) {
    for (const shift of [12, 21, 30] as const) {
      test(`${levels} levels, pages of 2^${shift} bytes`, () => {
        const { text, error } = logOf(pagedCore(kind, { levels, shift }));
        expect({ text, error }).toEqual(good);
      });
    }
  }

  test("memory encryption", () => {
    const { text, error } = logOf(pagedCore(kind, { levels: 4, encryption: 1n << 47n }));
    expect({ text, error }).toEqual(good);
  });

  test("other names of the highest table", () => {
    for (const symbol of ["init_level4_pgt", "swapper_pg_dir"]) {
      const { text, error } = logOf(pagedCore(kind, { levels: 4 }, symbol));
      expect({ text, error }).toEqual(good);
    }
  });

  test("tables that map nothing: kexec-tools' line; that lead in circles: an end", () => {
    const core = pagedCore(kind, { levels: 4 });
    for (const value of [0n, 1n, 0x5000001n, (1n << 64n) - 1n]) {
      const bytes = core.slice();
      const at = bytes.length - 64 * PAGE;
      for (let i = 0; i < 64 * PAGE; i += 8) {
        new DataView(bytes.buffer).setBigUint64(at + i, value, true);
      }
      const { error, seconds } = logOf(bytes);
      if (value === 0n) {
        expect(error?.exitStatus).toBe(30);
        expect(error?.message).toStartWith("No program header covering vaddr 0xffff888004000000");
      }
      expect(seconds).toBeLessThan(10);
    }
  });
});
