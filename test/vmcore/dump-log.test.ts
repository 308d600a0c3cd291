import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { bytesOf, textOf } from "../../src/core/bytes.ts";
import { fail, KexecError } from "../../src/core/error.ts";
import type { Read } from "../../src/vmcore/core-file.ts";
import { dumpLog } from "../../src/vmcore/dump-log.ts";
import { orRefusal } from "../kexec-error.ts";
import { type CoreOptions, type LogKind, type LogRecord, makeCore } from "./make-core.ts";

const KINDS: readonly LogKind[] = ["ringbuffer", "records", "plain"];
const RECORDS: readonly LogRecord[] = [
  { text: "Linux version 6.1", time: 0n },
  { text: "tab\there \x1b[1m \xff\0", time: 1_234_567_999n },
  { text: "x".repeat(300), time: 123_456_000_001_000n },
  { text: "two\nlines", time: 99_999_999_999n },
  { text: "the last word before the crash", time: 1n << 63n },
];
const TEXT = `\
[    0.000000] Linux version 6.1
[    1.234567] tab\there \\x1b[1m \\xff\\x00
[123456.000001] ${"x".repeat(300)}
[   99.999999] two
lines
[18446744064486179580.18446744073708696841] the last word before the crash
`;
const PLAIN_TEXT = RECORDS.map(({ text }) => `${text}\n`).join("");
const textOfKind = (kind: LogKind): string => (kind === "plain" ? PLAIN_TEXT : TEXT);

const readOf =
  (bytes: Uint8Array): Read =>
  (offset, length) => {
    return bytes.slice(offset, offset + length);
  };

interface Outcome {
  readonly text: string;
  readonly error: KexecError | null;
}

/** What is printed and what is thrown; any other error than ours is thrown on. */
function dump(core: Uint8Array | Read): Outcome {
  let text = "";
  let asked = 0;
  const read = core instanceof Uint8Array ? readOf(core) : core;
  const counted: Read = (offset, length) => {
    // No read is large, and all together they end.
    expect(length).toBeLessThanOrEqual(4 << 20);
    asked += 1;
    if (asked > 3_000_000) throw new Error("reads for ever");
    return read(offset, length);
  };
  const write = (more: string) => {
    text += more;
  };
  const error = orRefusal(() => dumpLog("CORE", counted, write));
  if (!(error instanceof KexecError)) return { text, error: null };
  expect(error.code).toMatch(/^vmcore\./);
  return { text, error };
}

const good = (text: string): Outcome => ({ text, error: null });
const shownAs = ({ text, error }: Outcome): string[] => [
  text,
  ...(error === null ? [] : [`${error.exitStatus} ${error.message}`]),
];

describe.each([...KINDS])("%s", (kind) => {
  const options: CoreOptions = { kind, records: RECORDS };

  for (const elf of [64, 32] as const) {
    for (const [name, machine] of [
      ["EM_X86_64", 62],
      ["EM_AARCH64", 183],
      ["EM_386", 3],
    ] as const) {
      for (const bigEndian of [false, true]) {
        test(`ELF${elf}, ${name}, ${bigEndian ? "big" : "little"} endian`, () => {
          const core = makeCore({ ...options, elf, machine, bigEndian });
          expect(dump(core)).toEqual(good(textOfKind(kind)));
        });
      }
    }
  }

  test("the text wraps around the buffer's end", () => {
    for (let firstPosition = 3600; firstPosition <= 4080; firstPosition += 8) {
      const { text, error } = dump(makeCore({ ...options, firstPosition }));
      expect(error).toBeNull();
      // Before a plain log's position there is what was logged earlier: nothing, in this one.
      const lines = text.replace("[    0.000000] \n", "").replace(/^\0+/, "");
      expect(lines).toBe(textOfKind(kind));
    }
  });

  test("only physical addresses: found where vmcoreinfo tells how they are mapped", () => {
    const told = (lines: readonly string[]) => [
      ...lines.filter((line) => !line.startsWith("NUMBER(phys_base)")),
      // Of the data; the text is in both cases found by its physical address.
      "NUMBER(PAGE_OFFSET)=ffff888000000000",
      "NUMBER(PHYS_OFFSET)=0",
    ];
    const wide = makeCore({ ...options, virtual: "zero", vmcoreinfo: (l) => l });
    expect(shownAs(dump(wide)).at(-1)).toStartWith("30 No program header covering vaddr 0xffff888");
    const x86 = makeCore({
      ...options,
      virtual: "zero",
      vmcoreinfo: (lines) => [...lines, ...told([])],
    });
    expect(dump(x86)).toEqual(good(textOfKind(kind)));
    expect(shownAs(dump(makeCore({ ...options, virtual: "zero", vmcoreinfo: told }))).at(-1)).toBe(
      `30 No program header covering vaddr 0xffffffff820000${kind === "ringbuffer" ? 4 : 0}0 ` +
        "found kexec bug?",
    );
  });

  test("cut at every offset: what can be read, and an error", () => {
    const core = makeCore({ ...options, sizeBits: 11 });
    const whole = textOfKind(kind);
    for (let end = 0; end < core.length; end += end < 3000 ? 1 : 13) {
      const { text, error } = dump(core.slice(0, end));
      if (error === null) expect(text).toBe(whole);
      else if (kind !== "ringbuffer") expect(whole).toStartWith(text.replace(/\n$/, ""));
      if (error !== null) expect(error.exitStatus).toBeGreaterThan(2);
    }
  });

  test("a file that cannot be read at all, or in one place", () => {
    const core = makeCore(options);
    const message = "Input/output error";
    const noRead: Read = () => fail({ code: "file.read", message });
    expect(dump(noRead).error).toMatchObject({
      message:
        "Read of e_ident from CORE failed: Input/output error\n" +
        "Unable to read ELF information from vmcore",
      exitStatus: 3,
    });
    const bad: Read = (offset, length) => {
      if (offset + length > core.length - 8) fail({ code: "file.read", message });
      return core.slice(offset, offset + length);
    };
    // The last bytes hold nothing of a log that is not full.
    if (kind !== "plain") expect(dump(bad)).toEqual(good(textOfKind(kind)));
  });

  test("damaged at random: an end, and no error but ours", () => {
    const core = makeCore({ ...options, sizeBits: 11, countBits: 3 });
    const edit = fc.tuple(
      fc.oneof(fc.nat(core.length - 1), fc.nat(2200)),
      fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 8 }), fc.constant(new Uint8Array(8))),
    );
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const bytes = core.slice();
        for (const [at, put] of edits) bytes.set(put.subarray(0, bytes.length - at), at);
        dump(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  test("vmcoreinfo damaged at random: an end, and no error but ours", () => {
    const edit = fc.tuple(
      fc.nat(40),
      fc.constantFrom("0", "1", "8", "4096", "99999999999999999999", "x", "", "-1"),
    );
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        const vmcoreinfo = (lines: readonly string[]) =>
          edits.reduce(
            (all, [i, value]) =>
              all.map((line, j) =>
                i % all.length === j ? line.replace(/=.*/, `=${value}`) : line,
              ),
            lines,
          );
        dump(makeCore({ ...options, vmcoreinfo }));
      }),
      { numRuns: 300 },
    );
  });

  test("a dump of terabytes is read where it must be, and only there", () => {
    const core = makeCore(options);
    const far = 5 * 2 ** 40;
    const view = new DataView(core.buffer);
    // The last program header: the log lies far behind the rest.
    const at = 64 + 2 * 56 + 8;
    const near = Number(view.getBigUint64(at, true));
    view.setBigUint64(at, BigInt(far), true);
    let total = 0;
    const sparse: Read = (offset, length) => {
      total += length;
      const bytes = new Uint8Array(length);
      bytes.set(core.subarray(offset, Math.min(offset + length, near)));
      const into = near + offset - far;
      if (into + length > near) bytes.set(core.subarray(Math.max(into, near), into + length));
      return bytes;
    };
    expect(dump(sparse)).toEqual(good(textOfKind(kind)));
    expect(total).toBeLessThan(1 << 20);
  });
});

describe("the ring", () => {
  const record = (text: string, more: Partial<LogRecord> = {}): LogRecord => ({
    text,
    time: 0n,
    ...more,
  });
  const printed = (options: Partial<CoreOptions>) =>
    dump(makeCore({ kind: "ringbuffer", records: RECORDS, ...options }));

  test("records that are reserved or reusable are left out, committed ones not", () => {
    const records = [0, 1, 2, 3].map((state) => record(`state ${state}`, { state }));
    expect(printed({ records })).toEqual(good("[    0.000000] state 1\n[    0.000000] state 2\n"));
  });

  test("a record without a text is an empty line", () => {
    const records = [record("lost", { dataless: true }), record("")];
    expect(printed({ records })).toEqual(good("[    0.000000] \n".repeat(2)));
  });

  test("ids go on from the largest to 0", () => {
    for (const [machine, bits] of [
      [62, 62n],
      [3, 30n],
    ] as const) {
      expect(printed({ machine, firstId: (1n << bits) - 2n })).toEqual(good(TEXT));
    }
  });

  test("a text that ends where the ring does", () => {
    const records = [record("x".repeat(56)), record("after")];
    const want = good(`[    0.000000] ${"x".repeat(56)}\n[    0.000000] after\n`);
    for (const exactEnd of [false, true]) {
      expect(printed({ records, exactEnd, firstPosition: 4096 - 64 })).toEqual(want);
    }
  });

  test("ids that are too far apart: the last records, and an error", () => {
    const core = makeCore({ kind: "ringbuffer", records: RECORDS });
    const text = textOf(core);
    const tail = text.indexOf(textOf(Uint8Array.of(32, 0, 0, 0, 0, 0, 0, 0)), 64 + 3 * 56 + 900);
    expect(tail).toBeGreaterThan(0);
    const bytes = bytesOf(text);
    bytes[tail + 6] = 1;
    const { text: log, error } = dump(bytes);
    expect(log).toBe(TEXT);
    expect(error).toMatchObject({ exitStatus: 68 });
    expect(error?.message).toStartWith("The printk ringbuffer is damaged: ids ");
  });
});

describe("what is no core, or has no log", () => {
  const core = makeCore({ kind: "plain", records: RECORDS });
  const changed = (at: number, value: number) => {
    const bytes = core.slice();
    bytes[at] = value;
    return shownAs(dump(bytes));
  };
  const elf = "\nUnable to read ELF information from vmcore";

  test("kexec-tools' words and statuses", () => {
    expect(changed(0, 0)).toEqual(["", `4 Missing elf signature${elf}`]);
    expect(changed(6, 2)).toEqual(["", `5 Bad elf version${elf}`]);
    expect(changed(4, 3)).toEqual(["", `6 Unknown elf class 3${elf}`]);
    expect(changed(5, 0)).toEqual(["", `7 Unkown elf data order 0${elf}`]);
    expect(changed(20, 7)).toEqual(["", "11 Bad Elf header version 7"]);
    expect(changed(54, 32)).toEqual(["", "12 Bad Elf progra header size 32 expected 56"]);
    expect(shownAs(dump(core.slice(0, 40)))).toEqual([
      "",
      "10 Read of Elf header from CORE failed: Success",
    ]);
    expect(shownAs(dump(core.slice(0, 100)))).toEqual([
      "",
      "16 Read of program header @ 64 for 168 bytes failed: Success",
    ]);
  });

  test("no vmcoreinfo", () => {
    const bare = makeCore({ kind: "plain", records: RECORDS, vmcoreinfo: () => [] });
    expect(shownAs(dump(bare))).toEqual(["", "50 Missing the log_buf symbol"]);
  });
});
