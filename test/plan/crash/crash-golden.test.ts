/**
 * Plans for crash kernels of recorded machines, and their core headers: golden files, which are
 * reviewed like code. readelf must read the same values from these headers.
 */

import { describe, expect, test } from "bun:test";
import { Elf64_Ehdr, Elf64_Phdr } from "../../../src/core/elf.ts";
import type { SegmentPlan } from "../../../src/model/load-plan.ts";
import { buildSegmentPlan } from "../../../src/plan/build-plan.ts";
import { makeBzImage } from "../../images/make-bzimage.ts";
import { readelf } from "../../readelf.ts";
import { expectGolden, expectGoldenPlan, machine } from "../golden.ts";
import { loadRequest, NO_FILES } from "../requests.ts";

function planFor(name: string): SegmentPlan {
  const bytes = Uint8Array.from({ length: 0x12345 }, (_, i) => (i * 13) & 0xff);
  return buildSegmentPlan(loadRequest({ purpose: "crash" }), machine(name), {
    ...NO_FILES,
    kernel: { path: "/boot/vmlinuz", bytes: makeBzImage() },
    initrd: { path: "/boot/initrd", bytes },
  });
}

const headerOf = (plan: SegmentPlan): Uint8Array =>
  plan.segments.find(({ role }) => role === "elfcorehdr")?.bytes ?? new Uint8Array(0);

/** A line for the file's header and for each program header. */
function shown(bytes: Uint8Array): string[] {
  const head = Elf64_Ehdr.read(bytes);
  const numbers = Array.from({ length: head.e_phnum }, (_, i) =>
    Elf64_Phdr.describe(Elf64_Phdr.read(bytes, 64 + i * 56)),
  );
  const line = (fields: readonly string[]) => fields.join("  ").replaceAll(/ @0x\w+ =/g, "");
  return [line(Elf64_Ehdr.describe(head)), "", ...numbers.map(line)];
}

type Loaded = readonly [type: string, ...numbers: bigint[]];

/** The numbers that `readelf -l` prints: offset, virtual and physical address, both sizes. The
 * layout of its output differs between versions, the numbers do not. */
function loadedBy(bytes: Uint8Array): Loaded[] {
  const text = readelf(bytes, "-hlW");
  expect(text).not.toContain("readelf: ");
  expect(text).toMatch(/Type: +CORE /);
  expect(text).toMatch(/Machine: +Advanced Micro Devices X86-64/);
  const lines = [...text.matchAll(/^ {2}(NOTE|LOAD)((?: +0x[0-9a-f]+){5})/gm)];
  return lines.map(([, type = "", numbers = ""]) => [
    type,
    ...numbers.trim().split(/ +/).map(BigInt),
  ]);
}

describe.each([
  "qemu-2g-vesa-edd-crash",
  "qemu-6g-crash-high",
  "qemu-uefi-crash",
  "qemu-2g-xen-crash",
])("%s", (name) => {
  const plan = planFor(name);
  const header = headerOf(plan);

  test("the plan", () => {
    expectGoldenPlan(`${name}.crash`, plan, machine(name));
  });

  test("the core header", () => {
    expectGolden(`${name}.elfcorehdr.txt`, `${shown(header).join("\n")}\n`);
  });

  test("readelf reads the same values from it", () => {
    const { e_phnum } = Elf64_Ehdr.read(header);
    const ours = Array.from({ length: e_phnum }, (_, i): Loaded => {
      const h = Elf64_Phdr.read(header, 64 + i * 56);
      const numbers = [h.p_offset, h.p_vaddr, h.p_paddr, h.p_filesz, h.p_memsz];
      return [h.p_type === 4 ? "NOTE" : "LOAD", ...numbers];
    });
    expect(loadedBy(header)).toEqual(ours);
  });
});
