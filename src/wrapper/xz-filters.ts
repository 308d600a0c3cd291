/** Undoes, in place, the filters that xz applies to data before it compresses them. [xz-format] */

const CALL = 0xe8;
const OPERAND = 4;

const isSignByte = (byte: number) => byte === 0 || byte === 0xff;

/** Whether an operand may begin here, by `mask`: a bit for each of the three bytes before that is
 * an opcode. */
const MAY_BEGIN = [true, true, true, false, true, false, false, false];
/** How far the last of these opcodes reaches into the operand, in bytes. */
const REACH = [0, 1, 2, 2, 3, 3, 3, 3];

/**
 * Makes the targets of x86's calls and jumps relative again.
 *
 * The encoder made an operand absolute only where its highest byte is 0x00 or 0xff and the opcodes
 * just before allow an operand there. This function looks at the opcodes in the encoder's order.
 * @param start the address of the first byte
 */
export function undoX86(bytes: Uint8Array, start: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  /** The offset of the last opcode, and a bit for each of the last three bytes that was one. */
  let last = -1;
  let mask = 0;
  for (let at = 0; at + OPERAND < bytes.length; at += 1) {
    if (((bytes[at] ?? 0) & 0xfe) !== CALL) continue;
    const gap = at - last;
    last = at;
    mask = gap > 3 ? 0 : (mask << (gap - 1)) & 7;
    const reach = REACH[mask] ?? 0;
    const hidden = mask !== 0 && isSignByte(bytes[at + OPERAND - reach] ?? 0);
    if (MAY_BEGIN[mask] !== true || hidden || !isSignByte(bytes[at + OPERAND] ?? 0)) {
      mask = (mask << 1) | 1;
      continue;
    }
    const next = start + at + 1 + OPERAND;
    let target = (view.getInt32(at + 1, true) - next) | 0;
    const shift = 32 - 8 * reach;
    while (mask !== 0 && isSignByte((target >>> (shift - 8)) & 0xff)) {
      target = ((target ^ ((1 << shift) - 1)) - next) | 0;
    }
    // The target has 25 bits, the highest of which is the sign.
    view.setInt32(at + 1, (target << 7) >> 7, true);
    at += OPERAND;
    last = at;
    mask = 0;
  }
}

/** Undoes the delta filter, which stores each byte less the byte `distance` bytes before it. */
export function undoDelta(bytes: Uint8Array, distance: number): void {
  for (let at = distance; at < bytes.length; at += 1) {
    bytes[at] = (bytes[at] ?? 0) + (bytes[at - distance] ?? 0);
  }
}
