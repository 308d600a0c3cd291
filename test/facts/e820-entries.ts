/** A machine's memory map as firmware and Xen pack it: 20 bytes an entry, written by hand. */
export function e820Entries(rows: readonly (readonly [bigint, bigint, number])[]): Uint8Array {
  const bytes = new Uint8Array(rows.length * 20);
  const view = new DataView(bytes.buffer);
  rows.forEach(([start, size, type], i) => {
    view.setBigUint64(i * 20, start, true);
    view.setBigUint64(i * 20 + 8, size, true);
    view.setUint32(i * 20 + 16, type, true);
  });
  return bytes;
}
