/** The purgatory enters 32-bit and 16-bit kernels on a machine: QEMU runs the very blob that is
 * committed. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  flipped,
  GREETING,
  INITRD,
  INITRD_BYTES,
  KERNEL,
  kernelOf,
  MEMORY,
  manifest,
  outcomeOf,
  PURGATORY,
  rig,
  SERIAL,
} from "./purgatory-case.ts";

setDefaultTimeout(70_000);
afterAll(() => rig().close());

describe("the way to a 32-bit kernel", () => {
  const pieces = () => [{ address: KERNEL, bytes: rig().kernel32() }];
  const registers = { rax: 0x2badb002n, rbx: 0xfffffff0n, rcx: 3n, rdx: 4n, rip: KERNEL };
  const others = { rsi: 0x90000n, rdi: 6n, rbp: 0x80000000n, rsp: 0x80000n };
  const wanted = { ...registers, ...others };
  const CR0_PE_ET = 0x11n;

  test("sets every register, flat segments and flags; paging and long mode are off", async () => {
    const { kernel, serial } = await kernelOf({
      pieces: pieces(),
      parameters: { mode: 32, registers: wanted },
      console: SERIAL,
    });
    expect(serial).toBe(GREETING);
    expect(kernel).toMatchObject(wanted);
    expect(kernel).toMatchObject({ cs: 0x10, ds: 0x18, es: 0x18, ss: 0x18, fs: 0x18, gs: 0x18 });
    expect(kernel.rflags).toBe(2n);
    const { r8: cr0, r9: cr4, r10: efer } = kernel;
    expect({ cr0, cr4, efer }).toEqual({ cr0: CR0_PE_ET, cr4: 0n, efer: 0n });
    expect(Buffer.from(kernel.gdt).readBigUInt64LE(0x10)).toBe(0x00cf9b000000ffffn);
    expect(Buffer.from(kernel.gdt).readBigUInt64LE(0x18)).toBe(0x00cf93000000ffffn);
  });

  test("leaves unnamed registers 0, its own stack, and a GDT in its own memory", async () => {
    const { kernel } = await kernelOf({ pieces: pieces(), parameters: { mode: 32 } });
    const { rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, gdt_base, gdt_limit } = kernel;
    expect([rax, rbx, rcx, rdx, rsi, rdi, rbp]).toEqual(Array(7).fill(0n));
    expect(rsp).toBe(PURGATORY + MEMORY);
    expect(gdt_base).toBeGreaterThan(PURGATORY);
    expect(gdt_base + BigInt(gdt_limit)).toBeLessThan(PURGATORY + BigInt(manifest.blobSize));
  });

  test("checks the segments first", async () => {
    const { kernel, halted, serial } = await outcomeOf({
      pieces: [...pieces(), { address: INITRD, bytes: INITRD_BYTES }],
      parameters: { mode: 32 },
      console: SERIAL,
      memory: (all) => all.map((p, i) => (i === 1 ? { ...p, bytes: flipped(p.bytes, 0) } : p)),
    });
    expect(kernel).toBeNull();
    expect(halted).not.toBeNull();
    expect(serial).toContain("sha256 digests do not match :( region 2 of 2");
  });

  test("is not taken from above 4 GiB", async () => {
    const { kernel, halted, serial } = await outcomeOf({
      at: 0x13ff00000n,
      pieces: pieces(),
      parameters: { mode: 32 },
      console: SERIAL,
      run: { memory: 5120 },
    });
    expect(kernel).toBeNull();
    expect(halted).not.toBeNull();
    expect(serial).toContain("purgatory: unknown parameters; the kernel is not started");
  });
});

describe("the way to real mode", () => {
  const SEGMENT = 0x2000;
  const LOW_PURGATORY = 0x90000n;
  const pieces = () => [{ address: BigInt(SEGMENT * 16), bytes: rig().kernel16() }];
  const segments = { cs: SEGMENT, ds: 0x1111, es: 0x2222, ss: 0x3000, fs: 0x4444, gs: 0x5555 };
  const registers = { rax: 0xfedcba98n, rbx: 2n, rcx: 3n, rdx: 0x80n, rip: 0n };
  const others = { rsi: 0x90000n, rdi: 6n, rbp: 0x80000000n, rsp: 0x8000n };
  const parameters = { mode: 16, registers: { ...registers, ...others }, segments } as const;
  const CR0_ET = 0x10n;

  test("sets every register, segments, and a BIOS's interrupts", async () => {
    const { kernel, serial } = await kernelOf({
      at: LOW_PURGATORY,
      pieces: pieces(),
      parameters,
      console: SERIAL,
    });
    expect(serial).toBe(GREETING);
    expect(kernel).toMatchObject({ ...registers, ...others, ...segments });
    expect(kernel).toMatchObject({ rflags: 2n, gdt_limit: 0x3ff });
    expect(kernel.gdt_base & 0xffffffffn).toBe(0n);
    const { r8: cr0, r9: masks, r10: ticks } = kernel;
    expect({ cr0, masks, ticks }).toEqual({ cr0: CR0_ET, masks: 0x8fb8n, ticks: 2n });
  });

  test("turns interrupts on only if that is asked for", async () => {
    const { kernel } = await kernelOf({
      at: LOW_PURGATORY,
      pieces: pieces(),
      parameters: { ...parameters, interrupts: true },
    });
    expect(kernel.rflags).toBe(0x202n);
  });

  test("is not taken from above 1 MiB", async () => {
    const { kernel, halted, serial } = await outcomeOf({
      pieces: pieces(),
      parameters,
      console: SERIAL,
    });
    expect(kernel).toBeNull();
    expect(halted).not.toBeNull();
    expect(serial).toContain("purgatory: unknown parameters; the kernel is not started");
  });
});
