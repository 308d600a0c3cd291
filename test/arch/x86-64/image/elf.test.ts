import { describe, expect, test } from "bun:test";
import { Elf_Bhdr, internetChecksum } from "../../../../src/arch/x86-64/handoff/elf-boot-notes.ts";
import { SetupHeader } from "../../../../src/arch/x86-64/handoff/setup-header.ts";
import { hex } from "../../../../src/core/address.ts";
import { textOf } from "../../../../src/core/bytes.ts";
import { KexecError } from "../../../../src/core/error.ts";
import type { HostFacts } from "../../../../src/model/host-facts.ts";
import type { SegmentPlan } from "../../../../src/model/load-plan.ts";
import type { LoaderRequest, LoadRequest } from "../../../../src/model/request.ts";
import { buildFilePlan, buildSegmentPlan } from "../../../../src/plan/build-plan.ts";
import { makeDtb } from "../../../images/make-dtb.ts";
import { type ElfParts, makeElf } from "../../../images/make-elf.ts";
import { vmlinuxParts } from "../../../images/make-vmlinux.ts";
import { orRefusal, refusal } from "../../../kexec-error.ts";
import { expectGoldenPlan, machine } from "../../../plan/golden.ts";
import { entryOf, file, pattern, segment } from "../../../plan/pieces.ts";
import { loadRequest, NO_FILES, NO_LOADER } from "../../../plan/requests.ts";

const FACTS = machine("qemu-1g-bios");

const program: ElfParts = { bits: 64, parts: [{ physical: 0x2000000n, bytes: pattern(0x123) }] };

interface Case {
  readonly loader?: Partial<LoaderRequest>;
  readonly request?: Partial<LoadRequest>;
  readonly initrd?: boolean;
  readonly dtb?: Uint8Array;
  readonly facts?: HostFacts;
}

function planOf(
  elf: ElfParts | Uint8Array,
  { loader, request, initrd, dtb, facts }: Case = {},
): SegmentPlan {
  const bytes = elf instanceof Uint8Array ? elf : makeElf(elf);
  const asked = { ...NO_LOADER, commandLine: "a=b c", ...loader };
  return buildSegmentPlan(loadRequest({ loader: asked, ...request }), facts ?? FACTS, {
    ...NO_FILES,
    kernel: file("/boot/image", bytes),
    initrd: initrd === true ? file("/boot/initrd", pattern(0x12345)) : null,
    dtb: dtb === undefined ? null : file("/boot/dtb", dtb),
  });
}

describe("vmlinux", () => {
  test("the plan", () => {
    expectGoldenPlan("vmlinux", planOf(vmlinuxParts(), { initrd: true }), FACTS);
  });

  test("gets boot params unasked, is one segment, and is entered where it says", () => {
    const plan = planOf(vmlinuxParts(), { initrd: true });
    expect(plan.imageType).toBe("elf-x86_64");
    expect(segment(plan, "kernel")).toMatchObject({ start: 0x1000000n, size: 0x420000n });
    const { rip, rsi, entry_mode } = entryOf(plan);
    expect({ rip, rsi, entry_mode }).toEqual({
      rip: 0x1000040n,
      rsi: segment(plan, "boot-params").start,
      entry_mode: 0,
    });
    const header = SetupHeader.read(segment(plan, "boot-params").bytes);
    expect(BigInt(header.ramdisk_image)).toBe(segment(plan, "initrd").start);
    const at = header.cmd_line_ptr - Number(segment(plan, "boot-params").start);
    expect(textOf(segment(plan, "boot-params").bytes.subarray(at, at + 6))).toBe("a=b c\0");
  });

  test("is moved by 2 MiB steps where its place is not free", () => {
    const plan = planOf(vmlinuxParts(), { request: { memMin: 0x1000001n } });
    expect(hex(segment(plan, "kernel").start)).toBe("0x1200000");
    expect(hex(entryOf(plan).rip)).toBe("0x1200040");
  });

  test("and upwards where the host may hand its own place out while it loads", () => {
    const guestOwned = [
      { start: 0x100000n, end: 0x1000000n },
      { start: 0x3000000n, end: 0x8000000n },
    ];
    const facts = { ...FACTS, segmentRules: { ...FACTS.segmentRules, guestOwned } };
    const plan = planOf(vmlinuxParts(), { facts });
    expect(hex(segment(plan, "kernel").start)).toBe("0x3000000");
    expect(segment(plan, "kernel").reason).toContain(
      "its own address, 0x1000000, is not free, or the hypervisor",
    );
  });

  test("of 32 bits is entered in 32-bit mode, and stays where it is", () => {
    const plan = planOf(vmlinuxParts({ bits: 32 }));
    expect(plan.imageType).toBe("elf-x86");
    const { rip, rsi, entry_mode } = entryOf(plan);
    expect({ rip, rsi, entry_mode }).toEqual({
      rip: 0x1000040n,
      rsi: segment(plan, "boot-params").start,
      entry_mode: 1,
    });
    const moved = () => planOf(vmlinuxParts({ bits: 32 }), { request: { memMin: 0x1000001n } });
    expect(refusal(moved)).toMatchObject({
      message: "Invalid memory segment 0x1000000 - 0x141ffff",
      exitStatus: 1,
    });
  });

  test("gets a device tree; what is no Linux kernel does not", () => {
    const dtb = makeDtb("a machine");
    const loader = { dtb: "/boot/dtb", given: ["dtb"] };
    const { notes } = planOf(vmlinuxParts(), { dtb, loader });
    expect(notes.join()).toContain("The device tree of /boot/dtb is passed on");
    const { hint } = refusal(() => planOf(program, { dtb, loader }));
    expect(hint).toContain("an image with elf arguments cannot get a device tree");
  });

  test("gets ELF notes where that is asked", () => {
    const plan = planOf(vmlinuxParts(), { loader: { argumentStyle: "elf", given: ["args-elf"] } });
    expect(entryOf(plan).rdi).toBe(segment(plan, "boot-notes").start);
  });
});

describe("another executable", () => {
  test("gets its command line in ELF boot notes", () => {
    const plan = planOf(program);
    const { rip, rdi, rsi } = entryOf(plan);
    const notes = segment(plan, "boot-notes");
    expect({ rip, rdi, rsi }).toEqual({ rip: 0x2000000n, rdi: notes.start, rsi: 0n });
    const header = Elf_Bhdr.read(notes.bytes);
    expect(header).toMatchObject({
      b_signature: 0x0e1fb007,
      b_size: notes.bytes.length,
      b_records: 3,
    });
    // Whole, with its checksum in it, the sum is all ones; so its complement is 0.
    expect(internetChecksum(notes.bytes)).toBe(0);
    expect(textOf(notes.bytes.slice(-8))).toBe("a=b c\0\0\0");
  });

  test("of 32 bits finds their address on its stack", () => {
    const plan = planOf({ bits: 32, parts: program.parts });
    const notes = segment(plan, "boot-notes");
    const { rsp, entry_mode } = entryOf(plan);
    expect(entry_mode).toBe(1);
    const at = Number(rsp - notes.start);
    const stack = new DataView(notes.bytes.slice().buffer);
    expect(stack.getUint32(at, true)).toBe(0);
    expect(BigInt(stack.getUint32(at + 4, true))).toBe(notes.start + BigInt(at) + 8n);
  });

  test("gets nothing with --args-none", () => {
    const plan = planOf(program, { loader: { argumentStyle: "none", given: ["args-none"] } });
    expect(plan.segments.map(({ role }) => role)).toEqual(["kernel", "purgatory"]);
  });

  test("made to run anywhere does so", () => {
    const plan = planOf({ ...program, type: 3, parts: [{ physical: 0n, bytes: pattern(0x123) }] });
    expect(entryOf(plan).rip).toBe(segment(plan, "kernel").start);
  });

  test("whose entry is virtual is entered at the physical address", () => {
    const parts = [{ physical: 0x2000000n, virtual: 0xffff820000000000n, bytes: pattern(0x123) }];
    expect(entryOf(planOf({ bits: 64, parts, entry: 0xffff820000000010n })).rip).toBe(0x2000010n);
  });
});

describe("refusals", () => {
  test("an initrd for what is not Linux", () => {
    expect(refusal(() => planOf(program, { initrd: true }))).toMatchObject({
      message: "Ramdisks not supported with generic elf arguments",
      exitStatus: 1,
    });
  });

  test("--args-none with 32 bits", () => {
    const make = () =>
      planOf({ bits: 32, parts: program.parts }, { loader: { argumentStyle: "none" } });
    expect(refusal(make).message).toBe("--args-none only works on arch i386");
  });

  test("memory that is not there", () => {
    const parts = [{ physical: 0x100000000n, bytes: pattern(0x123) }];
    const got = refusal(() => planOf({ bits: 64, parts }));
    expect(got.message).toBe("Invalid memory segment 0x100000000 - 0x100000fff");
  });

  test("kexec_file_load", () => {
    const kernel = file("/boot/image", makeElf(program));
    const reference = { path: "/boot/image", fd: 3, size: 1n };
    const files = { kernel: reference, initrd: null };
    const plan = buildFilePlan(loadRequest(), FACTS, kernel, () => files);
    expect(plan).toEqual({ notByFile: expect.stringContaining("kexec_file_load") });
  });
});

describe("a broken file", () => {
  const elf = makeElf(program);

  test("cut at any byte is refused, never a bug", () => {
    for (let length = 0; length < elf.length; length += 1) {
      expect(refusal(() => planOf(elf.slice(0, length)))).toBeInstanceOf(KexecError);
    }
  });

  test("a part without bytes may name an offset behind the file's end", () => {
    const bss = { physical: 0x300000n, bytes: new Uint8Array(0), memorySize: 0x1000n };
    for (const bits of [32, 64] as const) {
      const whole = makeElf({ bits, parts: [...program.parts, bss] });
      const row = bits === 64 ? 64 + program.parts.length * 56 : 52 + program.parts.length * 32;
      const view = new DataView(whole.buffer);
      // p_offset
      if (bits === 64) view.setBigUint64(row + 8, 1n << 40n, true);
      else view.setUint32(row + 4, 0xffff_0000, true);
      const plan = planOf(whole);
      expect(plan.segments.some(({ start }) => start === 0x300000n)).toBe(true);
    }
  });

  test("with any byte of its headers changed gives a plan or a refusal", () => {
    for (const bits of [32, 64] as const) {
      const whole = makeElf({ bits, parts: program.parts });
      const headers = whole.length - 0x123;
      for (let at = 0; at < headers; at += 1) {
        for (const value of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
          const changed = whole.slice();
          changed[at] = value;
          const plan = orRefusal(() => planOf(changed));
          if (!(plan instanceof KexecError)) expect(plan.segments.length).toBeGreaterThan(0);
        }
      }
    }
  });
});
