/** CRC-64 of ECMA-182, the default checksum of xz. [xz-format] */

const LOW = 0xd7870f42 | 0;
const HIGH = 0xc96c5795 | 0;

/** The CRC table: for each byte value the low half of its entry, then for each one the high
 * half. */
function makeTable(): Int32Array {
  const table = new Int32Array(512);
  for (let byte = 0; byte < 256; byte += 1) {
    let low = byte;
    let high = 0;
    for (let bit = 0; bit < 8; bit += 1) {
      const odd = -(low & 1);
      low = ((low >>> 1) | (high << 31)) ^ (LOW & odd);
      high = (high >>> 1) ^ (HIGH & odd);
    }
    table[byte] = low;
    table[256 + byte] = high;
  }
  return table;
}

let table: Int32Array | undefined;

/** The CRC-64 of `bytes`. */
export function crc64(bytes: Uint8Array): bigint {
  table ??= makeTable();
  let low = -1;
  let high = -1;
  // By index, since an iterator would allocate an object for each byte.
  for (let at = 0; at < bytes.length; at += 1) {
    const entry = (low ^ (bytes[at] ?? 0)) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ (table[entry] ?? 0);
    high = (high >>> 8) ^ (table[256 + entry] ?? 0);
  }
  return (BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0);
}
