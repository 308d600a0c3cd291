/** Cores whose fields lead astray: an end, soon, with what could be read until then. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { PT_LOAD, PT_NOTE } from "../../src/core/elf.ts";
import type { Read } from "../../src/vmcore/core-file.ts";
import { difference } from "../conformance/differences.ts";
import { coreParts, DATA, type LogKind, type LogRecord, MAPPED, makeCore } from "./make-core.ts";
import { load, logOf, makeElf, note, notes, type Piece, vmcoreinfo } from "./make-elf.ts";

/** Of processor time: far more than is needed, for machines that do other things as well. */
const SECONDS = 10;
setDefaultTimeout(120_000);
const KINDS: readonly LogKind[] = ["ringbuffer", "records", "plain"];
const RECORDS: readonly LogRecord[] = Array.from({ length: 20 }, (_, i) => ({
  text: `line ${i}`,
  time: 0n,
}));
const expected = (kind: LogKind) =>
  RECORDS.map(({ text }) => `${kind === "plain" ? "" : "[    0.000000] "}${text}\n`).join("");

/** The log, of which everything was read in time. */
function quick(core: Uint8Array | Read): { text: string; error: string | null } {
  const { text, error, seconds } = logOf(core);
  expect(seconds).toBeLessThan(SECONDS);
  return { text, error: error === null ? null : `${error.exitStatus} ${error.message}` };
}

/** The file with zeros behind it, without end. */
const withHole =
  (core: Uint8Array): Read =>
  (offset, length) => {
    const bytes = new Uint8Array(length);
    if (offset < core.length) bytes.set(core.subarray(offset, offset + length));
    return bytes;
  };

/** Offsets in program header `i` of a core with 64-bit headers. */
const field = (i: number, offset: number) => 64 + i * 56 + offset;
const FILESZ = 32;
const MEMSZ = 40;

function changed(core: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const bytes = core.slice();
  change(new DataView(bytes.buffer));
  return bytes;
}

/** A core of a usual log, with other pieces before and behind it. */
function coreWith(kind: LogKind, before: readonly Piece[], after: readonly Piece[] = []) {
  const { data, mapped, lines } = coreParts({ kind, records: RECORDS });
  const loads = [
    load({ bytes: data, virtual: DATA.virtual, physical: DATA.physical }),
    load({ bytes: mapped, virtual: MAPPED.virtual, physical: MAPPED.physical }),
  ];
  return makeElf([...before, notes(vmcoreinfo(lines)), ...loads, ...after]);
}

describe.each([...KINDS])("%s", (kind) => {
  const good = { text: expected(kind), error: null };

  test("more in the file than in memory: what the file has is read", () => {
    const core = makeCore({ kind, records: RECORDS });
    for (const header of [1, 2]) {
      for (const size of [0n, 1n, 8n, 100n, 1000n]) {
        const bad = changed(core, (view) => view.setBigUint64(field(header, MEMSZ), size, true));
        expect(quick(bad)).toEqual(good);
      }
    }
  });

  test("sizes near 2^64", () => {
    const core = makeCore({ kind, records: RECORDS });
    for (const header of [0, 1, 2]) {
      for (const offset of [FILESZ, MEMSZ]) {
        for (const size of [(1n << 64n) - 1n, 1n << 63n, (1n << 63n) - 1n]) {
          quick(changed(core, (view) => view.setBigUint64(field(header, offset), size, true)));
        }
      }
    }
  });

  test("every prefix, and every byte changed: the log, or an error", () => {
    const core = makeCore({ kind, records: RECORDS, sizeBits: 9, countBits: 5 });
    const before = process.cpuUsage();
    fc.assert(
      fc.property(fc.nat(core.length - 1), fc.nat(255), (at, value) => {
        logOf(core.slice(0, at));
        const { text, error } = logOf(changed(core, (view) => view.setUint8(at, value)));
        expect(text.length > 0 || error !== null).toBeTrue();
      }),
      { numRuns: 400, seed: 11 },
    );
    // The fields of the headers, each byte of them.
    for (let at = 0; at < 64 + 3 * 56; at += 1) {
      for (const value of [0, 0x7f, 0xff]) {
        quick(changed(core, (view) => view.setUint8(at, value)));
      }
    }
    expect(process.cpuUsage(before).user / 1e6).toBeLessThan(30);
  });

  test("100,000 program headers, the log's last", () => {
    const page = new Uint8Array(8);
    const fill = Array.from({ length: 100_000 }, (_, i) =>
      load({ bytes: page, virtual: BigInt(i) << 13n, physical: BigInt(i) << 13n }),
    );
    const { data, mapped, lines } = coreParts({ kind, records: RECORDS });
    const pieces = [
      notes(vmcoreinfo(lines)),
      ...fill,
      load({ bytes: data, virtual: DATA.virtual, physical: DATA.physical }),
      load({ bytes: mapped, virtual: MAPPED.virtual, physical: MAPPED.physical }),
    ];
    expect(quick(makeElf(pieces, { extended: true }))).toEqual(good);
  });
});

describe("logs without end", () => {
  const mapped = 2;
  const dataAt = (core: Uint8Array) =>
    Number(new DataView(core.buffer).getBigUint64(field(1, 8), true));

  /** A ring of 2^26 descriptors, of which none is there. */
  const longRing = changed(makeCore({ kind: "ringbuffer", records: RECORDS }), (view) => {
    const ring = dataAt(new Uint8Array(view.buffer)) + 0x80;
    view.setUint32(ring, 26, true);
    view.setBigUint64(ring + 24, (1n << 26n) + 31n, true);
    view.setBigUint64(ring + 32, 32n, true);
    view.setBigUint64(field(mapped, MEMSZ), 1n << 40n, true);
  });

  test("descriptors in memory that the dump leaves out", () => {
    expect(quick(longRing).error).toStartWith(
      "68 The dump is damaged: its structures refer to the same",
    );
  });

  test("descriptors in a hole of the file", () => {
    const core = changed(longRing, (view) =>
      view.setBigUint64(field(mapped, FILESZ), 1n << 40n, true),
    );
    expect(quick(withHole(core)).error).toStartWith("68 The printk ringbuffer is damaged");
  });

  test("2 GiB of text in memory that the dump leaves out", () => {
    const core = changed(makeCore({ kind: "plain", records: RECORDS }), (view) => {
      const data = dataAt(new Uint8Array(view.buffer));
      view.setUint32(data + 8, 0x7fffffff, true);
      view.setUint32(data + 12, 0x7ffffffe, true);
      view.setBigUint64(field(mapped, MEMSZ), 1n << 40n, true);
    });
    const { text, error } = quick(core);
    expect(text).toStartWith(expected("plain"));
    expect(text.length).toBeLessThan(1 << 26);
    expect(error).toStartWith("68 The dump is damaged: its structures refer to the same");
  });

  test("the same records again and again, by 50,000 headers", () => {
    const { data, mapped: records, lines } = coreParts({ kind: "records", records: RECORDS });
    const size = 4096n;
    const full = records.slice();
    // Sixteen bytes each: a length, and no text.
    for (let at = 0; at < full.length; at += 16) {
      full.fill(0, at, at + 16);
      full[at + 8] = 16;
    }
    const view = new DataView(data.buffer, data.byteOffset);
    view.setUint32(8, 0xfffffff0, true);
    view.setUint32(12, 0, true);
    view.setUint32(16, 0xffffffe0, true);
    const loads = Array.from({ length: 50_000 }, (_, i) =>
      load({ bytes: full, virtual: MAPPED.virtual + BigInt(i) * size }),
    );
    const start = load({ bytes: data, virtual: DATA.virtual });
    const { text, error } = quick(makeElf([notes(vmcoreinfo(lines)), start, ...loads]));
    expect(text).toStartWith("[    0.000000] \n".repeat(256));
    expect(error).toStartWith("68 The dump is damaged: its structures refer to the same");
  });
});

describe("notes", () => {
  const good = { text: expected("records"), error: null };

  test("a device's dump of 5 GiB, in two notes, before VMCOREINFO", () => {
    const size = 0x9fff_fffc;
    const device = note("LINUX", 0x700, new Uint8Array(0));
    new DataView(device.buffer).setUint32(4, size, true);
    const core = coreWith("records", []);
    const info = Number(new DataView(core.buffer).getBigUint64(field(0, 8), true));
    const length = Number(new DataView(core.buffer).getBigUint64(field(0, FILESZ), true));
    const far = 2 ** 33;
    const step = device.length + size;
    const bad = changed(core, (view) => {
      view.setBigUint64(field(0, 8), BigInt(far), true);
      view.setBigUint64(field(0, FILESZ), BigInt(2 * step + length), true);
      view.setBigUint64(field(0, MEMSZ), BigInt(2 * step + length), true);
    });
    const pieces = [
      [0, bad],
      [far, device],
      [far + step, device],
      [far + 2 * step, core.subarray(info, info + length)],
    ] as const;
    const read: Read = (offset, count) => {
      const bytes = new Uint8Array(count);
      for (const [at, piece] of pieces) {
        const from = Math.max(offset, at);
        const part = piece.subarray(from - at, Math.max(offset + count - at, 0));
        if (from < offset + count) bytes.set(part, from - offset);
      }
      return bytes;
    };
    expect(quick(read)).toEqual(good);
  });

  test(`${difference("vmcore-last-note").id}: a section ends without its padding`, () => {
    for (const extra of ["", "x", "xx", "xxx"]) {
      const { data, mapped, lines } = coreParts({ kind: "records", records: RECORDS });
      const text = `${lines.join("\n")}\nEXTRA=${extra}\n`;
      const content = new Uint8Array(Buffer.from(text, "latin1"));
      const bytes = note("VMCOREINFO", 0, content).subarray(0, 12 + 12 + content.length);
      const pieces: Piece[] = [
        { type: PT_NOTE, bytes },
        load({ bytes: data, virtual: DATA.virtual }),
        load({ bytes: mapped, virtual: MAPPED.virtual }),
      ];
      expect(quick(makeElf(pieces))).toEqual(good);
    }
  });

  test("70 MiB of zeros before VMCOREINFO", () => {
    const { data, mapped, lines } = coreParts({ kind: "records", records: RECORDS });
    const zeros = new Uint8Array(12 * 6_000_000);
    const pieces = [notes(zeros, vmcoreinfo(lines))];
    const loads = [
      load({ bytes: data, virtual: DATA.virtual }),
      load({ bytes: mapped, virtual: MAPPED.virtual }),
    ];
    expect(quick(makeElf([...pieces, ...loads]))).toEqual(good);
  });

  test("60 sections in the same place: the log of what was found, and an error", () => {
    const { lines } = coreParts({ kind: "records", records: RECORDS });
    const many = Buffer.alloc(4 << 20, note("A", 1, new Uint8Array(0)));
    const one = notes(vmcoreinfo(lines), many);
    const core = coreWith(
      "records",
      Array.from({ length: 60 }, () => one),
    );
    expect(quick(core)).toEqual({
      text: expected("records"),
      error: "22 The notes are damaged: there are too many",
    });
  });

  test("a section of 1 PiB of zeros", () => {
    const none = { type: PT_NOTE, bytes: new Uint8Array(16), stored: 1n << 50n };
    const core = withHole(coreWith("records", [], [none]));
    expect(quick(core)).toEqual({
      text: expected("records"),
      error: "22 The notes are damaged: there are too many",
    });
  });

  test("a section that C's ssize_t cannot hold: kexec-tools' line, and the log", () => {
    const large = { type: PT_NOTE, bytes: new Uint8Array(16), stored: 1n << 63n };
    expect(quick(coreWith("records", [], [large]))).toEqual({
      text: expected("records"),
      error: "20 Unable to handle note section of 9223372036854775808 bytes",
    });
  });

  test("VMCOREINFO of 3 MiB, with what matters at its end", () => {
    const { data, mapped, lines } = coreParts({ kind: "ringbuffer", records: RECORDS });
    const padding = Array.from({ length: 30_000 }, (_, i) => `LENGTH(x)=${`${i}`.padEnd(90)}`);
    const pieces = [
      notes(vmcoreinfo([...padding, ...lines])),
      load({ bytes: data, virtual: DATA.virtual }),
      load({ bytes: mapped, virtual: MAPPED.virtual }),
    ];
    expect(quick(makeElf(pieces))).toEqual({ text: expected("ringbuffer"), error: null });
  });

  test("VMCOREINFO of nonsense: an error, soon", () => {
    const digits = "9".repeat(15 << 20);
    const long = ["prb", "log_buf"].map((name) => `SYMBOL(${name})=${digits}`);
    const many = Array.from({ length: 200_000 }, (_, i) => `SYMBOL(x${i})=1`);
    const full = notes(vmcoreinfo(["x".repeat(1 << 20)]));
    expect(quick(makeElf([notes(vmcoreinfo(long))])).error).toStartWith("65 vmcoreinfo is damaged");
    expect(quick(makeElf([notes(vmcoreinfo(many))])).error).toStartWith("65 vmcoreinfo is damaged");
    const repeated = makeElf(Array.from({ length: 20_000 }, () => full));
    expect(quick(repeated).error).toStartWith("65 vmcoreinfo is damaged");
  });
});

test("a structure of more than 4 KiB, which kexec-tools takes too", () => {
  const { data, mapped, lines } = coreParts({ kind: "ringbuffer", records: RECORDS });
  const large = lines.map((line) => line.replace(/^SIZE\(printk_ringbuffer\)=.*/, "$&00"));
  const pieces = [
    notes(vmcoreinfo(large)),
    load({ bytes: data, virtual: DATA.virtual, size: 1n << 20n }),
    load({ bytes: mapped, virtual: MAPPED.virtual }),
  ];
  expect(quick(makeElf(pieces))).toEqual({ text: expected("ringbuffer"), error: null });
});

describe("program headers", () => {
  const { data, mapped, lines } = coreParts({ kind: "records", records: RECORDS });
  const few = [
    notes(vmcoreinfo(lines)),
    load({ bytes: data, virtual: DATA.virtual }),
    load({ bytes: mapped, virtual: MAPPED.virtual }),
  ];
  const good = { text: expected("records"), error: null };

  test("their number is in section 0", () => {
    expect(quick(makeElf(few, { extended: true }))).toEqual(good);
  });

  test("exactly 65,535, with a section and without", () => {
    const others = Array.from({ length: 0xffff - few.length }, () => ({
      type: 0,
      bytes: new Uint8Array(0),
    }));
    for (const withoutSection of [false, true]) {
      const core = makeElf([...few, ...others], { extended: true, withoutSection });
      expect(quick(core)).toEqual(good);
    }
  });

  test("a number that is nonsense: kexec-tools' lines", () => {
    const core = makeElf(few, { extended: true });
    const count = (value: number) =>
      changed(core, (view) => view.setUint32(64 + 3 * 56 + 44, value, true));
    expect(quick(count(0xffffffff)).error).toBe(
      "14 Calloc of 4294967295 phdrs64 failed: Cannot allocate memory",
    );
    expect(quick(count(1 << 18)).error).toBe(
      "16 Read of program header @ 64 for 14680064 bytes failed: Success",
    );
  });

  test("of several for one address the first counts", () => {
    const wrong = new Uint8Array(mapped.length).fill(0x41);
    const behind = load({ bytes: wrong, virtual: MAPPED.virtual });
    expect(quick(makeElf([...few, behind]))).toEqual(good);
    const around = load({ bytes: wrong, virtual: MAPPED.virtual - 8n, size: 1n << 20n });
    expect(quick(makeElf([...few, around]))).toEqual(good);
    expect(quick(makeElf([around, ...few])).text).not.toBe(good.text);
    const none = { type: PT_LOAD, bytes: wrong, virtual: MAPPED.virtual, stored: 0n };
    expect(quick(makeElf([none, ...few]))).toEqual(good);
  });
});

test("what makedumpfile writes instead of a core: which command reads it", () => {
  const start = (signature: string) => {
    const bytes = new Uint8Array(8192);
    bytes.set(Buffer.from(signature, "latin1"));
    return logOf(bytes).error;
  };
  const message = "Missing elf signature\nUnable to read ELF information from vmcore";
  for (const signature of ["KDUMP   ", "DISKDUMP"]) {
    expect(start(signature)).toMatchObject({ message, exitStatus: 4 });
    expect(start(signature)?.hint).toContain("makedumpfile --dump-dmesg CORE LOGFILE");
  }
  const flattened = start("makedumpfile\0\0\0\0");
  expect(flattened).toMatchObject({ message, exitStatus: 4 });
  expect(flattened?.hint).toContain("makedumpfile -R DUMPFILE < CORE");
  expect(start("makedumpfile's own")?.hint).toBeUndefined();
});
