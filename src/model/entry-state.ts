/**
 * What the CPU holds when the purgatory jumps to the image: a union by architecture, for each names
 * its own registers.
 */

/** The width of the code that is entered: 64 is long mode, 32 protected mode with paging off and
 * flat segments, 16 real mode. */
export type EntryMode = 64 | 32 | 16;

export type SegmentRegisters = {
  readonly [S in "cs" | "ds" | "es" | "ss" | "fs" | "gs"]: number;
};

/** Registers that are not named are 0, but for `rsp`: without it the image gets the purgatory's own
 * stack. */
export interface X8664EntryState {
  readonly arch: "x86_64";
  readonly mode: EntryMode;
  readonly rip: bigint;
  /** For mode 16: `cs:rip` is entered, and the stack is at `ss:rsp`. */
  readonly segments?: SegmentRegisters;
  /** For mode 16: whether interrupts, which are the BIOS's, are on. */
  readonly interrupts?: boolean;
  readonly rax?: bigint;
  readonly rbp?: bigint;
  readonly rsi?: bigint;
  readonly rdi?: bigint;
  readonly rbx?: bigint;
  readonly rsp?: bigint;
}

/** x1 to x3 are 0. [linux Documentation/arch/arm64/booting.rst] */
export interface Arm64EntryState {
  readonly arch: "arm64";
  /** Physical address of the first instruction. */
  readonly entry: bigint;
  /** Physical address of the device tree blob. */
  readonly x0: bigint;
}

export type EntryState = X8664EntryState | Arm64EntryState;
