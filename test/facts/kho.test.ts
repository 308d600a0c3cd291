import { describe, expect, test } from "bun:test";
import { KexecError } from "../../src/core/error.ts";
import { keptByTree, khoByCommandLine, parseScratch } from "../../src/facts/kho.ts";
import { refusal } from "../kexec-error.ts";
import { makeTree, u64 } from "./make-tree.ts";

test.each<[string, boolean | null]>([
  ["", null],
  ["quiet kho_scratch=16M,512M,256M", null],
  ["kho", null],
  ["kho=on", true],
  ["kho=1 quiet", true],
  ["kho=Y", true],
  ["kho=true", true],
  ["kho=off", false],
  ["kho=0", false],
  ["kho=n", false],
  ["kho=false", false],
  ["kho=maybe", null],
  ["kho=off kho=on", true],
  ["kho=on kho=off", false],
  ["-- kho=on", null],
  ["xkho=on", null],
])("khoByCommandLine(%j)", (commandLine, want) => {
  expect(khoByCommandLine(commandLine)).toBe(want);
});

describe("the scratch areas", () => {
  test("are a line each of two files", () => {
    expect(parseScratch("0x1000000\n0x40000000\n", "0x200000\n0x800000\n", "/d")).toEqual([
      { start: 0x1000000n, end: 0x1200000n },
      { start: 0x40000000n, end: 0x40800000n },
    ]);
  });

  test.each([
    ["fewer sizes", "0x1000\n0x3000\n", "0x1000\n"],
    ["more sizes", "0x1000\n", "0x1000\n0x1000\n"],
    ["an end beyond 64 bits", "0xfffffffffffff000\n", "0x2000\n"],
  ])("with %s are refused", (_, phys, len) => {
    expect(refusal(() => parseScratch(phys, len, "/d")).code).toBe("facts.kho");
  });
});

/** As `reserve_mem=4M:4M:oops reserve_mem=8M:4M:trace` has it. */
const TREE = makeTree({
  name: "",
  properties: { compatible: Buffer.from("memblock-v1\0") },
  nodes: [
    { name: "oops", properties: { start: u64(0x20000000n), size: u64(0x400000n) } },
    {
      name: "trace",
      properties: {
        compatible: Buffer.from("reserve-mem-v1\0"),
        start: u64(0x30000000n),
        size: u64(0x800000n),
      },
    },
    { name: "half", properties: { start: u64(0x50000000n) } },
    { name: "odd", properties: { start: Buffer.from("abcd"), size: u64(1n) } },
    { name: "beyond", properties: { start: u64(1n << 63n), size: u64((1n << 63n) + 1n) } },
  ],
});

describe("what a tree keeps", () => {
  test("is in its nodes' start and size", () => {
    expect(keptByTree(TREE, "/t")).toEqual([
      { start: 0x20000000n, end: 0x20400000n },
      { start: 0x30000000n, end: 0x30800000n },
    ]);
  });

  test("of another form is nothing", () => {
    expect(keptByTree(makeTree({ name: "", properties: { fdt: u64(1n) } }), "/t")).toEqual([]);
  });

  test("damaged anywhere is found or refused, and soon", () => {
    for (let at = 0; at < TREE.length; at += 1) {
      for (const value of [0, 1, 3, 0x94, 0xff]) {
        const bytes = TREE.slice();
        bytes[at] = value;
        expectFoundOrRefused(bytes);
      }
      expectFoundOrRefused(TREE.slice(0, at));
    }
  });

  test("whose property's length leads back to the beginning is refused", () => {
    const bytes = TREE.slice();
    const at = 40 + 16 + 8 + 4;
    new DataView(bytes.buffer).setUint32(at, 2 ** 32 - at - 8 + 56);
    expect(() => keptByTree(bytes, "/t")).toThrow(KexecError);
  });
});

function expectFoundOrRefused(bytes: Uint8Array): void {
  try {
    expect(keptByTree(bytes, "/t").length).toBeLessThan(6);
  } catch (error) {
    expect(error).toBeInstanceOf(KexecError);
  }
}
