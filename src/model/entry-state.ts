/**
 * The state of the CPU when the purgatory jumps to the image: a union by architecture, because each
 * has its own registers.
 */

/** The CPU mode at the entry point: 64 is long mode, 32 protected mode without paging and with flat
 * segments, 16 real mode. */
export type EntryMode = 64 | 32 | 16;

export type SegmentRegisters = {
  readonly [S in "cs" | "ds" | "es" | "ss" | "fs" | "gs"]: number;
};

/** A register that is left out is 0. Without `rsp` the image gets the purgatory's stack. */
export interface X8664EntryState {
  readonly arch: "x86_64";
  readonly mode: EntryMode;
  readonly rip: bigint;
  /** For mode 16: the entry point is `cs:rip`, the stack `ss:rsp`. */
  readonly segments?: SegmentRegisters;
  /** For mode 16: whether interrupts, with the BIOS's handlers, are enabled. */
  readonly interrupts?: boolean;
  readonly rax?: bigint;
  readonly rbp?: bigint;
  readonly rsi?: bigint;
  readonly rdi?: bigint;
  readonly rbx?: bigint;
  readonly rsp?: bigint;
}

/** The registers x1 to x3 are 0. [linux Documentation/arch/arm64/booting.rst] */
export interface Arm64EntryState {
  readonly arch: "arm64";
  /** Physical address of the first instruction. */
  readonly entry: bigint;
  /** Physical address of the device tree blob. */
  readonly x0: bigint;
}

export type EntryState = X8664EntryState | Arm64EntryState;
