import { describe, expect, test } from "bun:test";
import { joined } from "../../src/core/bytes.ts";
import type { HostExpand } from "../../src/core/expand.ts";
import { expandInitramfs, isXzInitramfs } from "../../src/wrapper/initramfs.ts";
import { expandXz } from "../../src/wrapper/xz.ts";
import { refusalText } from "../kexec-error.ts";
import { pattern } from "../plan/pieces.ts";
import { cpio } from "../vm/cpio.ts";
import { packedBy } from "./make-wrapped.ts";

const archive = (path: string, length: number): Uint8Array =>
  joined(cpio([{ path, data: pattern(length) }]));
const xz = (bytes: Uint8Array): Uint8Array => packedBy(["xz", "-c"], bytes);
const zeros = (length: number): Uint8Array => new Uint8Array(length);

const MICROCODE = archive("kernel/x86/microcode/GenuineIntel.bin", 301);
const ROOT = archive("init", 5003);
const OTHER = archive("etc/motd", 77);
const LIMIT = 1 << 20;

const expand = (bytes: Uint8Array, liblzma: HostExpand = expandXz, limit = LIMIT): Uint8Array =>
  expandInitramfs(bytes, liblzma, limit);

describe("an initramfs with xz", () => {
  test.each<[string, Uint8Array, Uint8Array]>([
    ["alone", xz(ROOT), ROOT],
    ["behind microcode", joined([MICROCODE, xz(ROOT)]), joined([MICROCODE, ROOT])],
    [
      "behind microcode and zeros up to a boundary of 512 bytes",
      joined([MICROCODE, zeros(512), xz(ROOT)]),
      joined([MICROCODE, zeros(512), ROOT]),
    ],
    [
      "behind zeros that end anywhere: the archive begins at a multiple of 4",
      joined([MICROCODE, zeros(5), xz(ROOT)]),
      joined([MICROCODE, zeros(8), ROOT]),
    ],
    ["behind two archives", joined([OTHER, MICROCODE, xz(ROOT)]), joined([OTHER, MICROCODE, ROOT])],
    ["with zeros behind", joined([xz(ROOT), zeros(12)]), ROOT],
    ["of two archives", xz(joined([ROOT, zeros(8), OTHER])), joined([ROOT, zeros(8), OTHER])],
    ["in two streams", joined([xz(ROOT), xz(OTHER)]), joined([ROOT, OTHER])],
  ])("%s", (_, initramfs, expanded) => {
    expect(isXzInitramfs(initramfs)).toBe(true);
    expect(expand(initramfs)).toEqual(expanded);
  });

  test("cut short anywhere, it is no xz or damaged", () => {
    const whole = joined([MICROCODE, xz(ROOT)]);
    for (let length = 0; length < whole.length; length += 1) {
      const cut = whole.subarray(0, length);
      if (isXzInitramfs(cut)) expect(() => expand(cut)).toThrow();
    }
  });
});

describe("an initramfs that stays as it is", () => {
  test.each<[string, Uint8Array]>([
    ["empty", zeros(0)],
    ["zeros", zeros(600)],
    ["an archive", ROOT],
    ["another compression behind microcode", joined([MICROCODE, Uint8Array.of(0x1f, 0x8b, 8, 0)])],
    ["a file that is no archive", pattern(3000)],
    ["an archive that is cut short", joined([MICROCODE.subarray(0, 200), xz(ROOT)])],
    ["an archive at no multiple of 4", joined([MICROCODE, zeros(1), OTHER, xz(ROOT)])],
    ["a name without an end", joined([MICROCODE.subarray(0, 94), pattern(300)])],
  ])("%s", (_, initramfs) => {
    expect(isXzInitramfs(initramfs)).toBe(false);
  });

  test.each<[string, Uint8Array, string]>([
    ["other data behind", joined([xz(ROOT), OTHER]), "other data follow it at offset"],
    ["no archive in it", xz(pattern(3000)), "no cpio archive begins at 0x0"],
    ["nothing in it", xz(zeros(0)), "no cpio archive begins at 0x0"],
    ["an archive that is cut short in it", xz(ROOT.subarray(0, -600)), "no cpio archive begins"],
    ["a gzip behind the archive in it", xz(joined([ROOT, xz(OTHER)])), "no cpio archive begins"],
  ])("%s", (_, initramfs, why) => {
    expect(refusalText(() => expand(initramfs)).message).toContain(why);
  });

  test("too large for the limit, its front included", () => {
    const initramfs = joined([MICROCODE, xz(ROOT)]);
    const limit = MICROCODE.length + ROOT.length;
    expect(expand(initramfs, expandXz, limit)).toHaveLength(limit);
    expect(refusalText(() => expand(initramfs, expandXz, limit - 1)).message).toContain(
      "expands to more",
    );
  });

  test("without liblzma", () => {
    expect(refusalText(() => expand(xz(ROOT), () => null)).message).toContain("no liblzma.so.5");
  });
});
