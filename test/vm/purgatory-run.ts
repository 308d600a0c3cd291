/**
 * Runs a purgatory in QEMU: a stub plays the last kernel, `purgatory-kernel.S` the next one. What
 * comes back is what the next kernel saw, or that the CPU stopped inside the purgatory.
 */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writer } from "../../src/core/bytes.ts";
import { blob, defineStruct, type StructValue, u16, u32, u64 } from "../../src/core/struct.ts";

const STUB_BASE = 0x100000;
const CONFIG = 0x40;
const COPIES_MAX = 32;
const CONFIG_SPOIL_VGA = 1;
const CONFIG_SCREEN_START = 2;
const DUMPS_MAX = 8;
const UNMAPPED_STACK = 0x00007ffffffff000n;

/** `config` of purgatory-stub.S. */
const stubConfig = defineStruct("stub config", 0x20, {
  entry: u64(0x00),
  flags: u32(0x08),
  screen_start: u32(0x0c),
  divisor: u32(0x10),
  count: u32(0x14),
  stack: u64(0x18),
});

/** `report` of purgatory-kernel.S. */
const kernelReport = defineStruct("kernel report", 0x1d8, {
  magic: blob(0x00, 8),
  rax: u64(0x08),
  rbx: u64(0x10),
  rcx: u64(0x18),
  rdx: u64(0x20),
  rsi: u64(0x28),
  rdi: u64(0x30),
  rsp: u64(0x38),
  rbp: u64(0x40),
  r8: u64(0x48),
  r9: u64(0x50),
  r10: u64(0x58),
  r11: u64(0x60),
  r12: u64(0x68),
  r13: u64(0x70),
  r14: u64(0x78),
  r15: u64(0x80),
  rip: u64(0x88),
  rflags: u64(0x90),
  cs: u16(0x98),
  ds: u16(0x9a),
  es: u16(0x9c),
  ss: u16(0x9e),
  fs: u16(0xa0),
  gs: u16(0xa2),
  gdt_limit: u16(0xa4),
  gdt_base: u64(0xa6),
  gdt: blob(0xb0, 32),
  line_control: blob(0xd0, 1),
  modem_control: blob(0xd1, 1),
  divisor: u16(0xd2),
  misc: blob(0xd4, 1),
  sequencer: blob(0xd5, 5),
  crtc: blob(0xda, 25),
  graphics: blob(0xf3, 9),
  attribute: blob(0xfc, 21),
  dac: blob(0x112, 192),
});

export type KernelReport = StructValue<typeof kernelReport.fields> & {
  /** The memory that the case asked for. */
  readonly dumps: readonly Uint8Array[];
};

/** Bytes that the stub puts somewhere before it jumps. */
export interface Piece {
  readonly address: bigint;
  readonly bytes: Uint8Array;
}

export interface PurgatoryRun {
  readonly entry: bigint;
  readonly pieces: readonly Piece[];
  /** Where the CPU must be when it halts for that to count as the purgatory's doing. */
  readonly purgatory: { readonly start: bigint; readonly end: bigint };
  /** The last kernel's stack; not mapped unless given. */
  readonly stack?: bigint;
  readonly spoilVga?: boolean;
  /** First cell that the VGA shows. */
  readonly screenStart?: number;
  /** Divisor of the first serial port before the purgatory runs. */
  readonly divisor?: number;
  /** I/O port whose output is `serial`; the first port's unless given. */
  readonly serialPort?: 0x3f8 | 0x2f8;
  /** Of the machine, in MiB. */
  readonly memory?: number;
  /** What is read of the memory where the purgatory halts. */
  readonly onHalt?: readonly Memory[];
}

export interface Memory {
  readonly address: bigint;
  readonly length: number;
}

export interface PurgatoryOutcome {
  /** null where the next kernel did not run. */
  readonly kernel: KernelReport | null;
  /** Where the CPU halts for good, interrupts off, inside the purgatory: `onHalt`'s memory. */
  readonly halted: readonly Uint8Array[] | null;
  /** What came out of the serial port, as a byte string. */
  readonly serial: string;
}

/** Assembles a source of this folder to a flat binary. */
function assemble(name: string, base: number, folder: string): Uint8Array {
  const path = join(folder, name);
  const steps = [
    ["gcc", "-m64", "-c", join(import.meta.dir, `${name}.S`), "-o", `${path}.o`],
    [
      "ld",
      "-m",
      "elf_x86_64",
      `-Ttext=0x${base.toString(16)}`,
      "-e",
      "_start",
      `${path}.o`,
      "-o",
      `${path}.elf`,
    ],
    ["objcopy", "-O", "binary", "-j", ".text", `${path}.elf`, `${path}.bin`],
  ];
  for (const command of steps) {
    const { exitCode, stderr } = Bun.spawnSync(command);
    if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
  }
  return new Uint8Array(readFileSync(`${path}.bin`));
}

export interface PurgatoryRig {
  /** The next kernel's bytes; `dumps` is the memory that it appends to its report. */
  kernel(dumps?: readonly Memory[]): Uint8Array;
  /** One that is entered in 32-bit mode. */
  kernel32(): Uint8Array;
  /** One that is entered in real mode, at the start of a segment. */
  kernel16(): Uint8Array;
  run(setup: PurgatoryRun): Promise<PurgatoryOutcome>;
  /** Removes what the rig wrote. */
  close(): void;
}

function stubImage(stub: Uint8Array, setup: PurgatoryRun): Uint8Array {
  if (setup.pieces.length > COPIES_MAX) throw new RangeError("too many pieces");
  const size = setup.pieces.reduce((sum, { bytes }) => sum + bytes.length, stub.length);
  const image = new Uint8Array(size);
  image.set(stub);
  const flags =
    (setup.spoilVga === true ? CONFIG_SPOIL_VGA : 0) |
    (setup.screenStart === undefined ? 0 : CONFIG_SCREEN_START);
  const count = setup.pieces.length;
  const screen_start = setup.screenStart ?? 0;
  const divisor = setup.divisor ?? 1;
  const { entry, stack = UNMAPPED_STACK } = setup;
  stubConfig.write(image, { entry, flags, screen_start, divisor, count, stack }, CONFIG);
  const writer = new Writer(image);
  let at = stub.length;
  for (const [i, { address, bytes }] of setup.pieces.entries()) {
    const row = CONFIG + stubConfig.size + i * 24;
    writer.u64(row, BigInt(STUB_BASE + at));
    writer.u64(row + 8, address);
    writer.u64(row + 16, BigInt(bytes.length));
    writer.set(at, bytes);
    at += bytes.length;
  }
  return image;
}

function parseReport(bytes: Uint8Array, lengths: readonly number[]): KernelReport | null {
  if (bytes.length === 0) return null;
  const value = kernelReport.read(bytes);
  let at = kernelReport.size;
  const dumps = lengths.map((length) => {
    const part = bytes.slice(at, at + length);
    if (part.length !== length) throw new Error(`the report ends after ${bytes.length} bytes`);
    at += length;
    return part;
  });
  return { ...value, dumps };
}

/** Asks QEMU's monitor, until QEMU ends or the CPU has halted in the purgatory. */
async function watch(
  qemu: Bun.Subprocess<"pipe", "pipe", "inherit">,
  { purgatory: { start, end }, onHalt = [] }: PurgatoryRun,
  dumpFile: (index: number) => string,
): Promise<boolean> {
  let text = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of qemu.stdout) text += decoder.decode(chunk);
  })();
  // QEMU may end between any two steps here, and then nobody reads the question.
  const ask = async (command: string) => {
    try {
      qemu.stdin.write(`${command}\n`);
      await qemu.stdin.flush();
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EPIPE")) throw error;
    }
  };
  let halted = false;
  while (qemu.exitCode === null) {
    text = "";
    await ask("info registers");
    await Promise.race([qemu.exited, Bun.sleep(60)]);
    const state = /RIP=([0-9a-f]+) RFL=([0-9a-f]+)[^\n]*HLT=1/.exec(text);
    if (state?.[1] === undefined || state[2] === undefined) continue;
    const rip = BigInt(`0x${state[1]}`);
    const interrupts = BigInt(`0x${state[2]}`) & 0x200n;
    if (rip < start || rip >= end || interrupts !== 0n) continue;
    halted = true;
    for (const [i, { address, length }] of onHalt.entries()) {
      await ask(`pmemsave 0x${address.toString(16)} ${length} "${dumpFile(i)}"`);
    }
    await ask("quit");
    break;
  }
  await qemu.exited;
  await reading;
  return halted;
}

function qemuCommand(setup: PurgatoryRun, path: (name: string) => string): string[] {
  const serial = ["-serial", `file:${path("serial")}`];
  return [
    ...["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", String(setup.memory ?? 128)],
    ...["-display", "none", "-no-reboot", "-net", "none", "-monitor", "stdio", "-vga", "std"],
    ...(setup.serialPort === 0x2f8 ? ["-serial", "null", ...serial] : serial),
    ...["-debugcon", `file:${path("report")}`, "-kernel", path("stub")],
    ...["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"],
  ];
}

/** Assembles the two kernels; `run` may be called any number of times, also at once. */
export function purgatoryRig(): PurgatoryRig {
  const folder = mkdtempSync(join(tmpdir(), "purgatory-vm-"));
  const stub = assemble("purgatory-stub", STUB_BASE, folder);
  const plainKernel = assemble("purgatory-kernel", 0, folder);
  const kernel32 = assemble("purgatory-kernel-32", 0, folder);
  const kernel16 = assemble("purgatory-kernel-16", 0, folder);
  const dumpLengths = new WeakMap<Uint8Array, readonly number[]>();
  let runs = 0;

  function kernel(dumps: readonly Memory[] = []): Uint8Array {
    if (dumps.length > DUMPS_MAX) throw new RangeError("too many dumps");
    const bytes = plainKernel.slice();
    const writer = new Writer(bytes);
    writer.u64(0x10, BigInt(dumps.length));
    for (const [i, { address, length }] of dumps.entries()) {
      writer.u64(0x18 + 16 * i, address);
      writer.u64(0x20 + 16 * i, BigInt(length));
    }
    dumpLengths.set(
      bytes,
      dumps.map(({ length }) => length),
    );
    return bytes;
  }

  async function run(setup: PurgatoryRun): Promise<PurgatoryOutcome> {
    runs += 1;
    const own = join(folder, `run-${runs}`);
    mkdirSync(own);
    const path = (name: string) => join(own, name);
    const dumpFile = (index: number) => path(`dump-${index}`);
    writeFileSync(path("stub"), stubImage(stub, setup));
    const qemu = Bun.spawn(["timeout", "60", ...qemuCommand(setup, path)], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    const halted = await watch(qemu, setup, dumpFile);
    const lengths = setup.pieces.flatMap(({ bytes }) => dumpLengths.get(bytes) ?? []);
    const dumps = setup.onHalt ?? [];
    const outcome = {
      kernel: parseReport(new Uint8Array(readFileSync(path("report"))), lengths),
      halted: halted ? dumps.map((_, i) => new Uint8Array(readFileSync(dumpFile(i)))) : null,
      serial: readFileSync(path("serial"), "latin1"),
    };
    rmSync(own, { recursive: true });
    return outcome;
  }

  return {
    kernel,
    kernel32: () => kernel32.slice(),
    kernel16: () => kernel16.slice(),
    run,
    close: () => rmSync(folder, { recursive: true }),
  };
}
