/** nbi-x86 alone: what a header may say, where its records go, and how it is entered. [nbi] */

import { describe, expect, test } from "bun:test";
import { nbiX86 } from "../../../../src/arch/x86-64/image/nbi-x86.ts";
import { ImageError } from "../../../../src/core/error.ts";
import type { EfiFacts } from "../../../../src/model/host-facts.ts";
import { bytesAt, draftOf, type Given, imageOf, whyNot } from "../../../image/plan-context.ts";
import { makeNbi, type NbiParts, type NbiRecord } from "../../../images/make-nbi.ts";
import { refusal } from "../../../kexec-error.ts";
import { pattern } from "../../../plan/pieces.ts";
import { NO_LOADER } from "../../../plan/requests.ts";

const CODE = pattern(0x300);
/** Its head goes to 0x7c00, its code behind that. */
const SMALL: NbiParts = { entry: 0x07e0_0004, records: [{ address: 0x7e00, bytes: CODE }] };
const LINEAR: NbiParts = {
  ...{ entry: 0x10_0008, flags: 0x8000_0000 },
  records: [{ address: 0x10_0000, bytes: CODE, memory: 0x5000 }],
};
const EFI: EfiFacts = {
  ...{ systab: [], fwVendor: null, runtime: null, configTable: null, runtimeMap: [] },
};
const FIRST: NbiRecord = { address: 0x7e00, bytes: CODE };
const records = (...list: readonly NbiRecord[]): Uint8Array =>
  makeNbi({ ...SMALL, records: [FIRST, ...list] });

test.each<[string, Uint8Array]>([
  ["nothing", new Uint8Array(0)],
  ["three bytes", makeNbi(SMALL).subarray(0, 3)],
  ["another magic", makeNbi(SMALL).with(0, 0x37)],
])("another file: %s", (_, file) => {
  expect(whyNot(nbiX86, file)).toBe("no NBI magic 0x1b031336 at offset 0");
});

describe("broken files", () => {
  const image = makeNbi(SMALL);

  test.each<[string, Uint8Array, string]>([
    ["half a head", image.subarray(0, 511), "cut short: it has 511 bytes"],
    ["a header of 20 bytes", image.with(4, 5), "the header length at offset 4 is 20 bytes, not 16"],
    [
      "one that returns",
      makeNbi({ ...SMALL, flags: 0x100 }),
      "returns to its loader (bit 8 at offset 4)",
    ],
    ["reserved bits", makeNbi({ ...SMALL, flags: 0x4000_0200 }), "bits 0x40000200 at offset 4"],
    [
      "a record of 12 bytes",
      image.with(16, 3),
      "the record at 0x10 has a length of 12 bytes, not 16",
    ],
    ["flags of a record", image.with(19, 0x0c), "bits 0x8 of the record's flags at 0x13"],
    ["no last record", image.with(19, 0), "the record at 0x20 has a length of 0 bytes, not 16"],
    ["less than its records", image.subarray(0, -1), "the record at 0x10 needs 1280"],
    [
      "an entry elsewhere",
      makeNbi({ ...SMALL, entry: 0x0810_0000 }),
      "0x8100 is outside the loaded bytes",
    ],
    ["beyond 4 GiB", records({ address: 0xffff_ff00, bytes: CODE }), "outside the first 4 GiB"],
    ["before 0", records({ from: 3, address: 0x7e01, bytes: CODE }), "outside the first 4 GiB"],
  ])("%s", (_, file, words) => {
    const error = refusal(() => nbiX86.parse(file, NO_LOADER));
    expect(error).toBeInstanceOf(ImageError);
    expect(error.message).toContain(words);
  });

  test("what the vendor put behind header and record is passed over", () => {
    const file = new Uint8Array(512 + 0x300);
    const view = new DataView(file.buffer);
    // 4 words of header and 1 of the vendor's; 4 of the record and 2 of the vendor's.
    const words = [0x1b031336, 0x14, 0x07c0_0000, 0x07e0_0000, 0x76656e64];
    const record = [0x24, 0x7e00, 0x200, 0x200, 1, 2, 0x0400_0004, 0x9000, 0x100, 0x100];
    [...words, ...record].forEach((word, i) => {
      view.setUint32(4 * i, word, true);
    });
    expect(draftOf(nbiX86, file).asked[0]).toBe(
      "kernel 0x7000 0x9000: 0x1000 at 0x7000, 0x1000 at 0x9000",
    );
  });
});

test("what the image says of itself", () => {
  const file = makeNbi(SMALL);
  expect(imageOf(nbiX86, file)).toMatchObject({
    type: "nbi-x86",
    options: [],
    commandLineLimit: null,
    takesEfi: false,
    memorySize: BigInt(file.length),
    whyNotByFile: "kexec_file_load does not load network boot images",
    purgatory: { window: { start: 0x3000n, end: 0xa0000n }, order: "last" },
  });
});

/** RAM is at 0x1000, 0x100000 to 0x40000000, and 0x100000000 to 0x140000000. */
describe("the segments", () => {
  const STACK = "real-mode 0x9e000: 0x2000 by 0x10 in [0x3000, 0xa0000) from top";

  test.each<[string, Uint8Array, readonly string[]]>([
    ["head and code share a page", makeNbi(SMALL), ["kernel 0x7000: 0x2000 at 0x7000"]],
    [
      "memory that is more than the bytes",
      makeNbi(LINEAR),
      ["kernel 0x7000 0x100000: 0x1000 at 0x7000, 0x5000 at 0x100000"],
    ],
    [
      "from 1: behind the last piece's memory",
      records(
        { address: 0x20_0000, bytes: CODE, memory: 0x2000 },
        { from: 1, address: 0x1000, bytes: CODE },
      ),
      [
        "kernel 0x7000 0x200000 0x203000: " +
          "0x2000 at 0x7000, 0x2000 at 0x200000, 0x1000 at 0x203000",
      ],
    ],
    [
      "from 2: before the end of the memory that 1 MiB is in",
      records({ from: 2, address: 0x4000, bytes: CODE, memory: 0x4000 }),
      ["kernel 0x7000 0x3fffc000: 0x2000 at 0x7000, 0x4000 at 0x3fffc000"],
    ],
    [
      "from 3: before the last piece",
      records({ address: 0x20_0000, bytes: CODE }, { from: 3, address: 0x1000, bytes: CODE }),
      ["kernel 0x7000 0x1ff000: 0x2000 at 0x7000, 0x2000 at 0x1ff000"],
    ],
    [
      "memory without bytes",
      records({ address: 0x30_0000, bytes: new Uint8Array(0), memory: 0x80_0000 }),
      ["kernel 0x7000 0x300000: 0x2000 at 0x7000, 0x800000 at 0x300000"],
    ],
  ])("%s", (_, file, asked) => {
    expect(draftOf(nbiX86, file).asked).toEqual([...asked, STACK]);
  });

  test("have the file's bytes where it says, the later record's where two meet", () => {
    const [ones, twos] = [new Uint8Array(4).fill(1), new Uint8Array(4).fill(2)];
    const all = draftOf(
      nbiX86,
      records({ address: 0x20_0000, bytes: ones }, { address: 0x20_0002, bytes: twos }),
    );
    expect([...bytesAt(all, 0x20_0000n)]).toEqual([1, 1, 2, 2, 2, 2]);
    expect(bytesAt(all, 0x7e00n)).toEqual(CODE);
    expect(all.draft.commandLine).toBeNull();
  });
});

describe("the entry", () => {
  const wordsAt = (file: Uint8Array, given: Given = {}): number[] => {
    const view = new DataView(bytesAt(draftOf(nbiX86, file, given), 0x9fff0n).slice().buffer);
    return [0, 4, 8, 12].map((offset) => view.getUint32(offset, true));
  };

  test("in real mode: a far return address, the head, a BOOTP reply; interrupts are on", () => {
    expect(draftOf(nbiX86, makeNbi(SMALL)).draft.entryState).toEqual({
      arch: "x86_64",
      mode: 16,
      rip: 4n,
      rsp: 0x1ff0n,
      segments: { cs: 0x7e0, ss: 0x9e00, ds: 0, es: 0, fs: 0, gs: 0 },
      interrupts: true,
    });
    expect(wordsAt(makeNbi(SMALL))).toEqual([0x9e00_0000, 0x07c0_0000, 0x9e00_0200, 0]);
  });

  test("at a linear address: a return address, the loader, the head, a BOOTP reply", () => {
    expect(draftOf(nbiX86, makeNbi(LINEAR)).draft.entryState).toEqual({
      arch: "x86_64",
      mode: 32,
      rip: 0x10_0008n,
      rsp: 0x9fff0n,
    });
    expect(wordsAt(makeNbi(LINEAR))).toEqual([0x9e000, 0x9e010, 0x7c00, 0x9e200]);
  });

  test("returning halts: cli, hlt, and back", () => {
    const stack = bytesAt(draftOf(nbiX86, makeNbi(SMALL)), 0x9e000n);
    expect([...stack.subarray(0, 4)]).toEqual([0xfa, 0xf4, 0xeb, 0xfc]);
  });

  test("a linear entry needs no BIOS", () => {
    expect(wordsAt(makeNbi(LINEAR), { facts: { efi: EFI } })[2]).toBe(0x7c00);
  });
});

describe("what cannot be drafted", () => {
  test.each<[string, Uint8Array, Given, string, string]>([
    ["real mode after EFI", makeNbi(SMALL), { facts: { efi: EFI } }, "image.real-mode", "is none"],
    [
      "a place that is no RAM",
      records({ address: 0xa_0000, bytes: CODE }),
      {},
      "plan.not-ram",
      "Invalid memory segment 0x7000 - 0x8fff",
    ],
    [
      "no room for the stack",
      makeNbi(SMALL),
      { free: [{ start: 0x7000n, end: 0xa000n }] },
      "plan.no-room",
      "0x2000 bytes",
    ],
  ])("%s", (_, file, given, code, words) => {
    const error = refusal(() => draftOf(nbiX86, file, given));
    expect<string[]>([error.code, error.message]).toEqual([code, expect.stringContaining(words)]);
  });
});
