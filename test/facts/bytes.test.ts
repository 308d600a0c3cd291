/** Texts of the kernel are bytes: 0xa0 is no blank to any parser, and 0xc0 no capital letter. */

import { describe, expect, test } from "bun:test";
import { withoutBlanks } from "../../src/core/bytes.ts";
import { findLibc } from "../../src/edge/ffi/find-libc.ts";
import { architectureOfCapabilities } from "../../src/edge/xen/capabilities.ts";
import { parseXenFeatures } from "../../src/edge/xen/decide-host.ts";
import { xenctrlNames } from "../../src/edge/xen/library-names.ts";
import { parseCrashNotes, parseVmcoreinfoPlace } from "../../src/facts/crash-notes.ts";
import { parseEfiSystab } from "../../src/facts/efi.ts";
import { iomemMemoryRanges, parseIomem } from "../../src/facts/iomem.ts";
import { parseMemTotal } from "../../src/facts/meminfo.ts";
import { parseCapEff } from "../../src/facts/proc-status.ts";
import { parseNumber } from "../../src/facts/sysfs-number.ts";
import { noteOf } from "../../src/model/fact-note.ts";
import { Vmcoreinfo } from "../../src/vmcore/vmcoreinfo.ts";
import { orRefusal } from "../kexec-error.ts";

/** What is right with a blank of ASCII at BLANK, and wrong with the byte. */
const PARSERS: readonly (readonly [string, string, (text: string) => unknown])[] = [
  ["parseNumber", "BLANK0x1f\n", (text) => parseNumber(text, "f")],
  ["parseNumber, behind", "31BLANK", (text) => parseNumber(text, "f")],
  ["parseCrashNotes", "1000BLANK", (text) => parseCrashNotes(text, "64\n", "f")],
  ["parseCrashNotes, size", "64BLANK", (text) => parseCrashNotes("1000", text, "f")],
  ["parseVmcoreinfoPlace", "1000 400BLANK", parseVmcoreinfoPlace],
  ["parseCapEff", "CapEff:BLANK00ff\n", parseCapEff],
  ["parseCapEff, behind", "CapEff: 00ffBLANK\n", parseCapEff],
  ["parseMemTotal", "MemTotal:BLANK1024 kB\n", parseMemTotal],
  ["parseIomem", "BLANK1000-1fff : System RAM\n", (text) => parseIomem(text).resources],
  ["parseIomem, colon", "1000-1fffBLANK: System RAM\n", (text) => parseIomem(text).resources],
];

describe("a blank, and the byte that is none", () => {
  test.each(PARSERS.map(([name, text, parse]) => [name, { text, parse }] as const))(
    "%s",
    (_, { text, parse }) => {
      const answer = (blank: string) => orRefusal(() => parse(text.replace("BLANK", blank)));
      expect(answer(" ")).not.toBeInstanceOf(Error);
      expect(answer("\t")).toEqual(answer(" "));
      expect(answer("\xa0")).toBeInstanceOf(Error);
    },
  );

  test("of Xen", () => {
    expect([" 801\n", "\xa0801\n"].map(parseXenFeatures)).toEqual([0x801n, null]);
    const words = (blank: string) =>
      architectureOfCapabilities(`xen-3.0-x86_64${blank}hvm-3.0-x86_32`);
    expect([" ", "\t", "\n", "\xa0"].map(words)).toEqual(["x86_64", "x86_64", "x86_64", null]);
    // A word that goes on in front of the name: the byte may be half of a letter.
    expect(xenctrlNames(null, "/lib/libxenctrl.so.4.9\0/lib/libxenctrl.so.4.17\0")).toEqual([
      ...["libxenctrl.so.4.17", "libxenctrl.so.4.9", "libxenctrl.so"],
    ]);
    expect(xenctrlNames(null, "libxenctrl.so.4.2.1\0libxenctrl.so.4.2\0")).toEqual([
      ...["libxenctrl.so.4.2.1", "libxenctrl.so.4.2", "libxenctrl.so"],
    ]);
  });

  test("of vmcoreinfo", () => {
    const info = new Vmcoreinfo();
    info.add("A= 12\nB=\xa012\nC= 0x1f\nD=\xa00x1f\nE=-1\nF=\xa0-1\n");
    expect(["A", "B"].map((name) => info.decimal(name))).toEqual([12n, null]);
    expect(["C", "D"].map((name) => info.hex(name))).toEqual([0x1fn, null]);
    expect(["E", "F"].map((name) => info.number(name))).toEqual([(1n << 64n) - 1n, null]);
  });
});

describe("bytes in names stay what they are", () => {
  test("of firmware tables, resources and libraries", () => {
    const [table] = parseEfiSystab("A\xa0\xc0B=0x10\n").tables;
    expect(table).toEqual({ name: "A\xa0\xc0B", address: 0x10n });
    const { resources } = parseIomem("1000-1fff : \xa0\xc0 x\xa0\n");
    expect(resources[0]?.name).toBe("\xa0\xc0 x\xa0");
    expect(findLibc("1-2 r-xp 0 08:01 5   /a\xa0b \xe9/libc.so.6\n")).toBe(
      "/a\xa0b \xe9/libc.so.6",
    );
    expect(noteOf("/a\xa0b: why", "machine")).toEqual({ source: "/a\xa0b", text: "why" });
  });

  test("reserved memory, in whatever case of ASCII", () => {
    const names = ["reserved", "Reserved", "RESERVED", "reserved\xa0", "\xd2eserved"];
    const text = names.map((name, i) => `${i + 1}000-${i + 1}fff : ${name}\n`).join("");
    const ranges = iomemMemoryRanges(parseIomem(text).resources);
    expect(ranges.map(({ start }) => start)).toEqual([0x1000n, 0x2000n, 0x3000n]);
  });

  test("withoutBlanks", () => {
    expect(withoutBlanks(" \t\n\v\f\r\xa0a \xa0 \n")).toBe("\xa0a \xa0");
    expect(withoutBlanks(" \n")).toBe("");
  });
});
