/** The purgatory does its work on a machine: QEMU runs the very blob that is committed. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { purgatoryEntry } from "../../src/arch/x86-64/purgatory/parameters.ts";
import { xxHash64 } from "../../src/core/digest.ts";
import {
  PARAMETERS_VERSION,
  ParameterFlag,
  purgatoryHead,
} from "../../src/purgatory/parameters.ts";
import {
  type Case,
  flipped,
  GREETING,
  INITRD,
  INITRD_BYTES,
  KERNEL,
  kernelOf,
  MEMORY,
  manifest,
  noise,
  outcomeOf,
  PURGATORY,
  regionOf,
  rig,
  SCREEN,
  SERIAL,
  SILENT,
  standardPieces,
  VGA,
} from "./purgatory-case.ts";
import type { Memory, Piece } from "./purgatory-run.ts";

// A run takes a fifth of a second on an idle machine; QEMU itself is stopped after a minute.
setDefaultTimeout(70_000);
afterAll(() => rig().close());

/** The 25 lines on a screen that starts `origin` cells into text memory. */
function linesOf(text: Uint8Array, origin = 0): string[] {
  const cells = text.length / 2;
  return Array.from({ length: 25 }, (_, row) =>
    Array.from({ length: 80 }, (_, column) =>
      String.fromCharCode(text[((origin + row * 80 + column) % cells) * 2] ?? 0),
    )
      .join("")
      .trimEnd(),
  );
}

const byte = (bytes: Uint8Array | undefined) => bytes?.[0];

describe("the way to the kernel", () => {
  test("sets every register, the segments and the flags", async () => {
    const registers = {
      rax: 0x1111111111111111n,
      rbx: 0x2222222222222222n,
      rcx: 0x33n,
      rdx: 0x44n,
    };
    const others = { rsi: 0x55n, rdi: 0x66n, rbp: 0x77n, rsp: 0x80000n, r8: 8n, r9: 9n, r10: 10n };
    const rest = { r11: 11n, r12: 12n, r13: 13n, r14: 14n, r15: 0xffffffffffffffffn, rip: KERNEL };
    const wanted = { ...registers, ...others, ...rest };
    const { kernel } = await kernelOf({ parameters: { registers: wanted } });
    expect(kernel).toMatchObject(wanted);
    expect(kernel).toMatchObject({ cs: 0x10, ds: 0x18, es: 0x18, ss: 0x18, fs: 0x18, gs: 0x18 });
    expect(kernel.rflags).toBe(2n);
  });

  test("leaves unnamed registers 0, its own stack, and a GDT in its own memory", async () => {
    const { kernel } = await kernelOf({
      parameters: { registers: { rip: KERNEL, rsi: 0x90000n } },
    });
    const { rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r15, gdt, gdt_base, gdt_limit } = kernel;
    expect([rax, rbx, rcx, rdx, rdi, rbp, r8, r15]).toEqual(Array(8).fill(0n));
    expect(rsi).toBe(0x90000n);
    expect(rsp).toBe(PURGATORY + MEMORY);
    expect(gdt_base).toBeGreaterThan(PURGATORY);
    expect(gdt_base + BigInt(gdt_limit)).toBeLessThan(PURGATORY + BigInt(manifest.blobSize));
    expect(Buffer.from(gdt).readBigUInt64LE(0x10)).toBe(0x00af9b000000ffffn);
    expect(Buffer.from(gdt).readBigUInt64LE(0x18)).toBe(0x00cf93000000ffffn);
  });

  test("writes nothing but its stack, and little of that", async () => {
    const size = Number(MEMORY);
    const tail = noise(size - manifest.blobSize, 3);
    const around = noise(4096, 4);
    const guards: Piece[] = [
      { address: PURGATORY - 4096n, bytes: around },
      { address: PURGATORY + BigInt(manifest.blobSize), bytes: tail },
      { address: PURGATORY + MEMORY, bytes: around },
    ];
    const dumps: Memory[] = [
      { address: PURGATORY - 4096n, length: 4096 },
      { address: PURGATORY, length: size },
      { address: PURGATORY + MEMORY, length: 4096 },
    ];
    const { kernel, purgatory } = await kernelOf({
      console: SERIAL,
      dumps,
      memory: (pieces) => [...pieces, ...guards],
    });
    const [before, own, after] = kernel.dumps;
    expect(before).toEqual(around);
    expect(after).toEqual(around);
    expect(own?.subarray(0, manifest.blobSize)).toEqual(purgatory);
    const untouched = own?.subarray(manifest.blobSize, size - 2048);
    expect(untouched).toEqual(tail.subarray(0, tail.length - 2048));
  });

  test("works above 4 GiB", async () => {
    const pieces = [
      { address: 0x128000000n, bytes: rig().kernel() },
      { address: 0x130000000n, bytes: INITRD_BYTES },
    ];
    const at = 0x13ff00000n;
    const { kernel, serial } = await kernelOf({
      at,
      pieces,
      console: SERIAL,
      run: { memory: 5120 },
    });
    expect(kernel.rip).toBe(0x128000000n);
    expect(kernel.rsp).toBe(at + MEMORY);
    expect(kernel.gdt_base).toBeGreaterThan(at);
    expect(serial).toBe(GREETING);
  });

  test("works at any page, such as 0x1000", async () => {
    expect((await kernelOf({ at: 0x1000n })).kernel.rsp).toBe(0x1000n + MEMORY);
  });
});

describe("the digests", () => {
  const names = ["kernel", "initrd", "boot params"];
  const places: [string, (length: number) => number][] = [
    ["first", () => 0],
    ["middle", (length) => length >> 1],
    ["last", (length) => length - 1],
  ];
  const flips = names.flatMap((name, index) =>
    places.map(([place, where]) => ({ name, index, place, where })),
  );

  test.each(flips)("a changed $place byte of the $name stops it", async ({ index, where }) => {
    const { kernel, halted, serial } = await outcomeOf({
      console: SERIAL,
      memory: (pieces) =>
        pieces.map((piece, i) =>
          i === index
            ? { ...piece, bytes: flipped(piece.bytes, where(piece.bytes.length)) }
            : piece,
        ),
    });
    expect(kernel).toBeNull();
    expect(halted).not.toBeNull();
    expect(serial).toStartWith(
      `${GREETING}sha256 digests do not match :( region ${index + 1} of 3`,
    );
    expect(serial).toEndWith("; the kernel is not started\r\n");
  });

  test("the line says which region, where, what was expected and what was found", async () => {
    const digest = (of: Uint8Array) => xxHash64(of).toString(16).padStart(16, "0");
    let bytes = flipped(INITRD_BYTES, 0);
    // With a leading zero, which must be printed too.
    for (let at = 1; !digest(bytes).startsWith("0"); at += 1) bytes = flipped(INITRD_BYTES, at);
    const { serial } = await outcomeOf({
      console: SERIAL,
      memory: (pieces) => pieces.map((p) => (p.address === INITRD ? { ...p, bytes } : p)),
    });
    const length = INITRD_BYTES.length.toString(16);
    expect(serial).toBe(
      `${GREETING}sha256 digests do not match :( region 2 of 3, 0x${length} bytes at 0x2400000: ` +
        `expected xxh64 ${digest(INITRD_BYTES)}, found ${digest(bytes)}; ` +
        "the kernel is not started\r\n",
    );
  });

  test("it says nothing where no console is asked for, and still stops", async () => {
    const { kernel, halted, serial } = await outcomeOf({
      dumps: [SCREEN],
      memory: (pieces) => pieces.map((p) => ({ ...p, bytes: flipped(p.bytes, 0) })),
    });
    expect(kernel).toBeNull();
    expect(halted).not.toBeNull();
    expect(serial).toBe("");
    expect(linesOf(halted?.[0] ?? new Uint8Array()).join("")).not.toMatch(/purgatory|sha256/);
  });

  test.each([0n, 63n])("a wrong bit %d of a digest stops it", async (bit) => {
    const pieces = standardPieces([]);
    const regions = pieces.map(regionOf);
    const spoiled = regions.map((r, i) => (i === 2 ? { ...r, xxh64: r.xxh64 ^ (1n << bit) } : r));
    const { kernel, halted } = await outcomeOf({ pieces, parameters: { regions: spoiled } });
    expect(kernel).toBeNull();
    expect(halted).not.toBeNull();
  });

  test("bytes behind a region's length do not count", async () => {
    const longer = new Uint8Array([...INITRD_BYTES, ...noise(64, 9)]);
    const { kernel } = await kernelOf({
      memory: (pieces) => pieces.map((p) => (p.address === INITRD ? { ...p, bytes: longer } : p)),
    });
    expect(kernel.rip).toBe(KERNEL);
  });

  test("lengths around 4, 8 and 32, and odd addresses, in 16 regions", async () => {
    const lengths = [0, 1, 3, 4, 5, 7, 8, 9, 31, 32, 33, 39, 63, 64, 4097];
    const pieces: Piece[] = [{ address: KERNEL, bytes: rig().kernel() }];
    for (const [i, length] of lengths.entries()) {
      pieces.push({ address: INITRD + BigInt(i * 0x2003), bytes: noise(length, i + 1) });
    }
    expect((await kernelOf({ pieces })).kernel.rip).toBe(KERNEL);
    const { kernel, serial } = await outcomeOf({
      pieces,
      console: SERIAL,
      memory: (all) => all.map((p, i) => (i === 15 ? { ...p, bytes: flipped(p.bytes, 4096) } : p)),
    });
    expect(kernel).toBeNull();
    expect(serial).toContain("region 16 of 16, 0x1001 bytes");
  });

  test("--no-checks starts the kernel whatever memory holds", async () => {
    const flags = ParameterFlag.skipChecks | ParameterFlag.consoleSerial;
    const { kernel, serial } = await kernelOf({
      console: SERIAL,
      // buildPurgatory would leave the regions out, and the flag would decide nothing.
      patch: (bytes) => purgatoryHead.write(bytes, { flags }, manifest.parameterOffset),
      memory: (pieces) => pieces.map((p, i) => (i > 0 ? { ...p, bytes: flipped(p.bytes, 0) } : p)),
    });
    expect(kernel.rip).toBe(KERNEL);
    expect(serial).toBe(GREETING);
  });
});

describe("parameters that it does not know", () => {
  test.each([
    ["a flag", { flags: 0x8000_0004 }],
    ["an older version", { version: PARAMETERS_VERSION - 1 }],
    ["a newer version", { version: PARAMETERS_VERSION + 1 }],
    ["a magic", { magic: 0n }],
    ["17 regions", { region_count: 17 }],
  ])("%s stops it", async (_, value) => {
    await refuses((bytes) => purgatoryHead.write(bytes, value, manifest.parameterOffset));
  });

  test("an entry mode stops it", async () => {
    const value = { entry_mode: 3 };
    await refuses((bytes) => purgatoryEntry.write(bytes, value, manifest.parameterOffset));
  });

  async function refuses(patch: (bytes: Uint8Array) => void) {
    const { kernel, halted, serial } = await outcomeOf({ console: SERIAL, patch });
    expect(kernel).toBeNull();
    expect(halted).not.toBeNull();
    expect(serial).toContain("purgatory: unknown parameters; the kernel is not started");
  }
});

describe("the backup region", () => {
  const source: Piece = { address: 0x20000n, bytes: noise(0x30003, 5) };
  const destination = 0x3800000n;
  const backup = { source: source.address, destination, size: BigInt(source.bytes.length) };
  const dumps = [{ address: destination - 8n, length: source.bytes.length + 16 }];
  const guard: Piece = { address: destination - 8n, bytes: new Uint8Array(0x30013).fill(0xa5) };
  const memory = (pieces: readonly Piece[]) => [...pieces, source, guard];

  test("is copied exactly", async () => {
    const { kernel } = await kernelOf({ parameters: { backup }, dumps, memory });
    const edge = new Uint8Array(8).fill(0xa5);
    expect(kernel.dumps[0]?.subarray(0, 8)).toEqual(edge);
    expect(kernel.dumps[0]?.subarray(8, -8)).toEqual(source.bytes);
    expect(kernel.dumps[0]?.subarray(-8)).toEqual(edge);
  });

  test("is not copied where there is none", async () => {
    const { kernel } = await kernelOf({ dumps, memory });
    expect(kernel.dumps[0]).toEqual(guard.bytes);
  });

  test("is not copied where a digest is wrong", async () => {
    const { halted } = await outcomeOf({
      parameters: { backup },
      dumps,
      memory: (pieces) =>
        memory(pieces.map((p) => (p.address === INITRD ? { ...p, bytes: noise(9) } : p))),
    });
    expect(halted?.[0]).toEqual(guard.bytes);
  });
});

describe("the serial console", () => {
  test.each([
    [0, 0x0123],
    [115200, 1],
    [38400, 3],
    [9600, 12],
    [300, 384],
    [1, 0xffff],
  ])("at %d baud the divisor is %d", async (serialBaud, divisor) => {
    const { kernel, serial } = await kernelOf({
      console: { ...SERIAL, serialBaud },
      run: { divisor: 0x0123 },
    });
    expect(serial).toBe(GREETING);
    expect(kernel.divisor).toBe(divisor);
    expect(byte(kernel.line_control)).toBe(0x03);
    expect(byte(kernel.modem_control)).toBe(0x03);
  });

  test("is left alone where it is not asked for", async () => {
    const { kernel, serial } = await kernelOf({ run: { divisor: 0x0123 } });
    expect(serial).toBe("");
    expect(kernel.divisor).toBe(0x0123);
    expect(byte(kernel.line_control)).toBe(0x1b);
  });

  test("may be another port", async () => {
    const console = { ...SERIAL, serialBase: 0x2f8 };
    const { serial, kernel } = await kernelOf({ console, run: { serialPort: 0x2f8 } });
    expect(serial).toBe(GREETING);
    expect(byte(kernel.line_control)).toBe(0x1b);
  });

  // QEMU answers 0xff for a port that is not there. The exit device's port 0xf4 reads as 0, so as a
  // line status it says for ever that there is no room.
  test.each([0x3e8, 0xf4 - 5])(
    "at %d, where there is no port, stops nothing",
    async (serialBase) => {
      const { kernel, serial } = await kernelOf({ console: { ...SERIAL, serialBase } });
      expect(kernel.rip).toBe(KERNEL);
      expect(serial).toBe("");
    },
  );
});

describe("the screen", () => {
  const ALL: Memory = { address: 0xb8000n, length: 0x8000 };

  test.each([0, 2000, 0x3c00])("gets the text, starting at cell %d", async (screenStart) => {
    const row = (text: string) =>
      Uint8Array.from([...text].flatMap((c) => [c.charCodeAt(0), 0x07]));
    const last = (screenStart + 24 * 80) % 0x4000;
    const old: Piece = { address: 0xb8000n + BigInt(last * 2), bytes: row("last words") };
    const { kernel, serial } = await kernelOf({
      console: VGA,
      dumps: [ALL],
      memory: (pieces) => [...pieces, old],
      run: { screenStart },
    });
    expect(serial).toBe("");
    const lines = linesOf(kernel.dumps[0] ?? new Uint8Array(), screenStart);
    expect(lines[22]).toStartWith("last words");
    expect(lines.slice(23)).toEqual(["I'm in purgatory", ""]);
  });

  test("gets the whole line about a wrong digest", async () => {
    const { halted } = await outcomeOf({
      console: VGA,
      dumps: [SCREEN],
      memory: (pieces) => pieces.map((p) => ({ ...p, bytes: flipped(p.bytes, 0) })),
    });
    const text = linesOf(halted?.[0] ?? new Uint8Array()).join("");
    expect(text).toMatch(/sha256 digests do not match :\( region 1 of 3.*is not started$/);
  });

  test("comes back to what the BIOS set up, and only if asked", async () => {
    const modeOf = async (c: Case) => {
      const { misc, sequencer, crtc, graphics, attribute, dac } = (await kernelOf(c)).kernel;
      // The cursor's place is nobody's mode.
      return { misc, sequencer, crtc: crtc.fill(0, 0x0e, 0x10), graphics, attribute, dac };
    };
    const resetVga = { ...SILENT, resetVga: true };
    const bios = await modeOf({});
    const spoiled = await modeOf({ run: { spoilVga: true } });
    const reset = await modeOf({ console: resetVga, run: { spoilVga: true } });
    expect(spoiled.misc).not.toEqual(bios.misc);
    expect(spoiled.dac).not.toEqual(bios.dac);
    expect(spoiled.sequencer).not.toEqual(bios.sequencer);
    expect(spoiled.graphics).not.toEqual(bios.graphics);
    expect(spoiled.attribute).not.toEqual(bios.attribute);
    expect(reset).toEqual(bios);
  });

  test("shows text after a reset", async () => {
    const { kernel } = await kernelOf({
      console: { ...VGA, resetVga: true },
      dumps: [SCREEN],
      run: { spoilVga: true },
    });
    expect(linesOf(kernel.dumps[0] ?? new Uint8Array())[23]).toBe("I'm in purgatory");
  });
});
