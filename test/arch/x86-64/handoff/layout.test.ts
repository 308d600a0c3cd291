/**
 * The tables of handoff/ against the kernel's own headers: a C program prints their offsets, sizes
 * and constants. Without a compiler or the headers they fail; the
 * bytes written by hand in the other tests of this folder remain.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BootParams } from "../../../../src/arch/x86-64/handoff/boot-params.ts";
import * as e820Table from "../../../../src/arch/x86-64/handoff/e820.ts";
import * as edd from "../../../../src/arch/x86-64/handoff/edd-info.ts";
import * as efi from "../../../../src/arch/x86-64/handoff/efi-info.ts";
import * as screen from "../../../../src/arch/x86-64/handoff/screen-info.ts";
import * as setupData from "../../../../src/arch/x86-64/handoff/setup-data.ts";
import * as header from "../../../../src/arch/x86-64/handoff/setup-header.ts";
import * as e820 from "../../../../src/facts/e820-entry.ts";

interface Table {
  readonly size: number;
  readonly fields: Readonly<Record<string, { readonly offset: number; readonly size: number }>>;
}

/** C type, our table, and what has to be added to C's offsets. */
const TABLES: readonly (readonly [string, Table, number])[] = [
  ["struct boot_params", BootParams, 0],
  ["struct setup_header", header.SetupHeader, 0x1f1],
  ["struct screen_info", screen.ScreenInfo, 0],
  ["struct efi_info", efi.EfiInfo, 0],
  ["struct edd_info", edd.EddInfo, 0],
  ["struct boot_e820_entry", e820.E820Entry, 0],
  ["struct setup_data", setupData.SetupData, 0],
];

/** In newer headers than some have, or spelled otherwise there: [C type, our field]. */
const NOT_IN_HEADERS = new Set([
  "struct boot_params.cc_blob_address",
  "struct screen_info.reserved",
]);

const CONSTANTS: Readonly<Record<string, number>> = Object.fromEntries(
  [header, setupData, e820, e820Table, edd, screen].flatMap((module) =>
    Object.entries(module).filter(
      (entry): entry is [string, number] =>
        typeof entry[1] === "number" &&
        /^(XLF|SETUP|LOADED|KASLR|QUIET|KEEP|CAN|E820|EDD|VIDEO)/.test(entry[0]),
    ),
  ),
);

function program(): string {
  const lines = TABLES.flatMap(([type, table]) => [
    `printf("${type} %zu 0\\n", sizeof(${type}));`,
    ...Object.keys(table.fields)
      .filter((field) => !NOT_IN_HEADERS.has(`${type}.${field}`))
      .map(
        (field) =>
          `printf("${type}.${field} %zu %zu\\n", offsetof(${type}, ${field}), ` +
          `sizeof(((${type} *)0)->${field}));`,
      ),
  ]);
  const constants = Object.keys(CONSTANTS).map(
    (name) => `#ifdef ${name}\nprintf("${name} %lu 0\\n", (unsigned long)(${name}));\n#endif`,
  );
  return `#include <stddef.h>
#include <stdio.h>
#include <asm/bootparam.h>
#include <linux/edd.h>
#include <linux/screen_info.h>
int main(void) {
${lines.join("\n")}
${constants.join("\n")}
return 0; }
`;
}

const folder = mkdtempSync(join(tmpdir(), "onekexec-layout-"));
const source = join(folder, "layout.c");
const binary = join(folder, "layout");
/** "name" → [offset or value, size]. */
const truth = new Map<string, readonly [number, number]>();

beforeAll(() => {
  writeFileSync(source, program());
  const compiled = spawnSync("gcc", ["-o", binary, source], { encoding: "utf8" });
  if (compiled.status !== 0) throw new Error(compiled.stderr);
  for (const line of spawnSync(binary, { encoding: "utf8" }).stdout.trim().split("\n")) {
    const [, name, value, size] = /^(.*) (\d+) (\d+)$/.exec(line) ?? [];
    if (name !== undefined) truth.set(name, [Number(value), Number(size)]);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("the kernel's headers", () => {
  test.each(TABLES)("%s has our fields where we have them", (type, table, base) => {
    const size = truth.get(type)?.[0];
    expect(size).toBeNumber();
    expect(table.size - base).toBe(size ?? -1);
    for (const [field, { offset, size: fieldSize }] of Object.entries(table.fields)) {
      const name = `${type}.${field}`;
      if (NOT_IN_HEADERS.has(name)) continue;
      expect([name, ...(truth.get(name) ?? [])]).toEqual([name, offset - base, fieldSize]);
    }
  });

  test("constants have the headers' values", () => {
    const checked = Object.entries(CONSTANTS).filter(([name]) => truth.has(name));
    for (const [name, value] of checked) {
      expect([name, truth.get(name)?.[0]]).toEqual([name, value]);
    }
    expect(checked.length).toBeGreaterThan(25);
  });
});
