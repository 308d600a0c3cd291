/** Network boot images and beoboot images byte by byte, and not by the tables under test. */

export interface NbiRecord {
  /** What the address counts from: 0 zero, 1 the last piece's end, 2 memory's end, 3 its start. */
  readonly from?: number;
  readonly address: number;
  readonly bytes: Uint8Array;
  /** As many as `bytes` unless given. */
  readonly memory?: number;
}

export interface NbiParts {
  /** Of segment and offset: segment * 65536 + offset. */
  readonly location?: number;
  /** The same, or with `flags` of 0x80000000 a linear address. */
  readonly entry: number;
  /** Beside the lengths. */
  readonly flags?: number;
  readonly records: readonly NbiRecord[];
}

export function makeNbi({ location = 0x07c0_0000, entry, flags = 0, records }: NbiParts) {
  const size = records.reduce((sum, { bytes }) => sum + bytes.length, 512);
  const image = new Uint8Array(size);
  const view = new DataView(image.buffer);
  [0x1b031336, (flags | 4) >>> 0, location, entry >>> 0].forEach((word, i) => {
    view.setUint32(4 * i, word, true);
  });
  let at = 512;
  records.forEach(({ from = 0, address, bytes, memory = bytes.length }, i) => {
    const last = i === records.length - 1 ? 4 : 0;
    [(4 | ((from | last) << 24)) >>> 0, address, bytes.length, memory].forEach((word, k) => {
      view.setUint32(16 + 16 * i + 4 * k, word, true);
    });
    image.set(bytes, at);
    at += bytes.length;
  });
  return image;
}

export interface BeobootParts {
  /** With its NUL; absent: none. */
  readonly commandLine?: string;
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array;
  readonly arch?: number;
}

export function makeBeoboot({ commandLine, kernel, initrd, arch = 1 }: BeobootParts): Uint8Array {
  const line = Buffer.from(commandLine ?? "", "latin1");
  const header = Buffer.alloc(16);
  header.write("BeoB");
  header[4] = arch;
  header[5] = initrd === undefined ? 0 : 1;
  header.writeUInt16LE(line.length, 6);
  header.writeUInt32LE(kernel.length, 8);
  header.writeUInt32LE(initrd?.length ?? 0, 12);
  return new Uint8Array(Buffer.concat([header, line, kernel, initrd ?? new Uint8Array(0)]));
}
