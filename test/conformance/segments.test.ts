/**
 * What kexec_load gets from both, byte by byte: the kernel and the initrd are the files', and what
 * the next kernel reads of them, its zero page and command line, is the same.
 */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Reader, textOf } from "../../src/core/bytes.ts";
import { TIMEOUT_MS } from "./compare.ts";
import { difference } from "./differences.ts";
import { INITRD, KERNEL, KERNEL_SIZE } from "./inputs.ts";
import {
  loadBytes as bytesOfLoad,
  commandLineOf,
  initrdOf,
  type Loaded,
  load as loadOn,
  setupDataOf,
} from "./loaded.ts";
import { KEXEC_TOOLS, ONEKEXEC } from "./programs.ts";

/** Alike on every machine: what firmware adds has tests of its own in test/handoff. */
const PLAIN = { firmware: "none" } as const;
const loadBytes = (binary: string, argv: readonly string[]) =>
  bytesOfLoad(binary, ["-c", "-l", ...argv], PLAIN);
const load = (binary: string, argv: readonly string[]) =>
  loadOn(binary, ["-c", "-l", ...argv], PLAIN);

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
        const { outcome, memory } = await loadBytes(binary, ARGV);
        expect(outcome.calls.map(({ name }) => name)).toEqual(["kexec_load", "sync"]);
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
