/**
 * What kexec_load gets from both, byte by byte: the kernel and the initrd are the files', and what
 * the next kernel reads of them, its zero page and command line, is the same.
 */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Reader, textOf, textUntilNul } from "../../src/core/bytes.ts";
import { TIMEOUT_MS } from "./compare.ts";
import { difference } from "./differences.ts";
import { type Outcome, runKexec } from "./harness.ts";
import { INITRD, KERNEL, KERNEL_SIZE } from "./inputs.ts";
import { KEXEC_TOOLS, ONEKEXEC } from "./programs.ts";
import { segmentBytes } from "./stopped-load.ts";

interface Loaded {
  /** Bytes of memory from `address` on, which lie in one segment. */
  at(address: bigint, size: number): Uint8Array;
  readonly zeroPage: Reader;
  readonly zeroPageAt: bigint;
}

const HEADER_MAGIC = 0x53726448;

interface LoadedBytes {
  readonly calls: Outcome["calls"];
  /** Of each segment. */
  readonly memory: readonly Uint8Array[];
}

/** Alike on every machine: what firmware adds has tests of its own in test/handoff. */
async function loadBytes(binary: string, argv: readonly string[]): Promise<LoadedBytes> {
  let memory: readonly Uint8Array[] = [];
  const { calls } = await runKexec(binary, ["-c", "-l", ...argv], {
    machine: { firmware: "none" },
    whenStopped: (stopped) => {
      memory = segmentBytes(stopped);
    },
  });
  return { calls, memory };
}

/** @throws Error where there is not exactly one zero page */
async function load(binary: string, argv: readonly string[]): Promise<Loaded> {
  const { calls, memory } = await loadBytes(binary, argv);
  const segments = calls.flatMap((call) => (call.name === "kexec_load" ? call.segments : []));
  const pieces = segments.map(({ mem }, i) => ({
    start: mem,
    bytes: memory[i] ?? new Uint8Array(),
  }));
  const found = pieces.filter(({ bytes }) => {
    return bytes.length >= 4096 && new Reader(bytes, "segment").u32(0x202) === HEADER_MAGIC;
  }, TIMEOUT_MS);
  const [page] = found;
  if (page === undefined || found.length !== 1) throw new Error(`${found.length} zero pages`);
  return {
    at(address, size) {
      if (size === 0) return new Uint8Array();
      const piece = pieces.findLast(({ start }) => start <= address);
      if (piece === undefined) throw new Error(`nothing is loaded at 0x${address.toString(16)}`);
      const offset = Number(address - piece.start);
      const bytes = new Uint8Array(size);
      bytes.set(piece.bytes.subarray(offset, offset + size));
      return bytes;
    },
    zeroPage: new Reader(page.bytes.subarray(0, 4096), "zero page"),
    zeroPageAt: page.start,
  };
}

/** The two halves of an address or size. [zero-page] */
const wide = (page: Reader, low: number, high: number): bigint =>
  BigInt(page.u32(low)) | (BigInt(page.u32(high)) << 32n);

const commandLineOf = ({ at, zeroPage }: Loaded): string =>
  textUntilNul(at(wide(zeroPage, 0x228, 0x0c8), 4096));

function initrdOf({ at, zeroPage }: Loaded): Uint8Array {
  return at(wide(zeroPage, 0x218, 0x0c0), Number(wide(zeroPage, 0x21c, 0x0c4)));
}

/** [type, data] of each node of the setup_data list. [x86-boot] 0x250 */
function setupDataOf({ at, zeroPage }: Loaded): [number, Uint8Array][] {
  const nodes: [number, Uint8Array][] = [];
  for (let address = zeroPage.u64(0x250); address !== 0n; ) {
    const head = new Reader(at(address, 16), "setup_data");
    nodes.push([head.u32(8), at(address + 16n, head.u32(12))]);
    address = head.u64(0);
  }
  return nodes;
}

const ARGV = [KERNEL, `--initrd=${INITRD}`, '--append=a\tb  "c d"\xc3\xa9\xff'];

/** Where the two zero pages differ, and are meant to. */
const EXPECTED: readonly { readonly at: number; readonly size: number; readonly why: string }[] = [
  { at: 0x020, size: 4, why: "cl_magic and cl_offset are for protocols before 2.02" },
  { at: 0x032, size: 2, why: "pages is for images of old" },
  { at: 0x0c0, size: 16, why: "addresses" },
  { at: 0x1f1, size: 1, why: "setup_sects" },
  { at: 0x1f2, size: 2, why: "root_flags is the image's" },
  { at: 0x1fc, size: 2, why: "root_dev is the image's" },
  { at: 0x1ff, size: 1, why: "boot_flag is the image's" },
  { at: 0x218, size: 4, why: "addresses" },
  { at: 0x228, size: 4, why: "addresses" },
  { at: 0x250, size: 8, why: "addresses" },
];

describe("kexec -c -l", () => {
  for (const binary of [KEXEC_TOOLS, ONEKEXEC]) {
    test(
      `${binary}: kernel, initrd and command line are what was given`,
      async () => {
        const loaded = await load(binary, ARGV);
        const image = readFileSync(KERNEL);
        expect(Buffer.from(initrdOf(loaded)).equals(readFileSync(INITRD))).toBe(true);
        expect(commandLineOf(loaded)).toBe('a\tb  "c d"\xc3\xa9\xff');
        const { calls, memory } = await loadBytes(binary, ARGV);
        expect(calls.map(({ name }) => name)).toEqual(["kexec_load", "sync"]);
        const kernel = memory.find(({ length }) => length === KERNEL_SIZE);
        expect(Buffer.from(kernel ?? []).equals(image.subarray(-KERNEL_SIZE))).toBe(true);
      },
      TIMEOUT_MS,
    );
  }

  test(
    "no command line is an empty one, no initrd has no size",
    async () => {
      for (const binary of [KEXEC_TOOLS, ONEKEXEC]) {
        const loaded = await load(binary, [KERNEL]);
        expect(commandLineOf(loaded)).toBe("");
        expect(initrdOf(loaded).length).toBe(0);
      }
    },
    TIMEOUT_MS,
  );

  test(
    `${difference("zero-page").id}: byte by byte`,
    async () => {
      const [theirs, ours] = [await load(KEXEC_TOOLS, ARGV), await load(ONEKEXEC, ARGV)];
      const different: number[] = [];
      for (let at = 0; at < 4096; at += 1) {
        const meant = EXPECTED.some((one) => at >= one.at && at < one.at + one.size);
        if (!meant && theirs.zeroPage.u8(at) !== ours.zeroPage.u8(at)) different.push(at);
      }
      expect(different).toEqual([]);
      expect([theirs.zeroPage.u16(0x1fc), theirs.zeroPage.u16(0x1f2)]).toEqual([0x300, 0xffff]);
      const image = new Reader(readFileSync(KERNEL), "kernel");
      expect(ours.zeroPage.u16(0x1fc)).toBe(image.u16(0x1fc));
      expect(ours.zeroPage.u16(0x1f2)).toBe(image.u16(0x1f2));
    },
    TIMEOUT_MS,
  );

  test(
    "setup_data: the same types, and a seed that is not the same",
    async () => {
      const [theirs, ours] = [await load(KEXEC_TOOLS, ARGV), await load(ONEKEXEC, ARGV)];
      const types = (loaded: Loaded) => setupDataOf(loaded).map(([type]) => type);
      expect(types(ours)).toEqual(types(theirs));
      const [seed] = setupDataOf(ours);
      expect([seed?.[0], seed?.[1].length]).toEqual([9, 32]);
      expect(seed?.[1]).not.toEqual(setupDataOf(theirs)[0]?.[1]);
      expect(seed?.[1]).not.toEqual(setupDataOf(await load(ONEKEXEC, ARGV))[0]?.[1]);
    },
    TIMEOUT_MS,
  );

  test(
    `${difference("purgatory-text").id}: what the two purgatories can say`,
    async () => {
      const words = async (binary: string): Promise<string> => {
        const { memory } = await loadBytes(binary, ARGV);
        return memory.map(textOf).find((text) => text.includes("I'm in purgatory")) ?? "";
      };
      const MISMATCH = "sha256 digests do not match :(";
      expect(await words(KEXEC_TOOLS)).toContain(`${MISMATCH}\n`);
      expect(await words(ONEKEXEC)).toContain(`${MISMATCH} region `);
    },
    TIMEOUT_MS,
  );
});
