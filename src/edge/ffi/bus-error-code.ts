/**
 * The machine code of the handler of SIGBUS: bus-errors.ts says what it does, and for each
 * architecture bus-error-NAME.S is its source. A test assembles that source and compares the bytes.
 */

/** Offset of the handler in the code; the restorer, to which it returns, is at offset 0. */
export const HANDLER_AT = 16;

/** bus-error-x64.S, assembled. */
const X64 = `
  b80f0000000f05660f1f840000000000837e08007e23488b7e104c8d05dfff0000b920000000493b387206493b780872
  244983c018ffc975edbf07000000488d35bb02010031d241ba08000000b80d0000000f05c349c7401001000000498b70
  084881e700f0ffff4829feba0100000041ba3200000049c7c0ffffffff4531c9b8090000000f05483d01f0ffff73aac3
`;

export interface BusErrorCode {
  /** Position-independent. */
  readonly code: Uint8Array;
  /** In bytes: the code puts zeros over whole pages. */
  readonly pageSize: number;
}

/** By the runtime's names of architectures. */
const CODES: Readonly<Record<string, { readonly hex: string; readonly pageSize: number }>> = {
  x64: { hex: X64, pageSize: 4096 },
};

/** The handler for this machine; null for an architecture that has none. */
export function busErrorCode(): BusErrorCode | null {
  const found = CODES[process.arch];
  if (found === undefined) return null;
  const code = new Uint8Array(Buffer.from(found.hex.replace(/[\n ]/g, ""), "hex"));
  return { code, pageSize: found.pageSize };
}
